"""Permutation symmetries of any module, and the permutation that brings one network closest to another."""
