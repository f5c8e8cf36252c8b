"""Runs as jobs: what SLURM gives, a Ray cluster inside it, submission through Submitit, and what became of jobs."""
