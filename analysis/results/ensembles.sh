#!/bin/sh
# The ensembles of README.md: sh ensembles.sh FOLDER, which has the pictures of CIFAR-10 in train/ and test/
set -eu
cd "$(dirname "$0")"
folder=$1
for pair in "0 1" "2 3" "4 5"; do
  set -- $pair
  seeds="endpoints.start.train.seed=$1 endpoints.end.train.seed=$2 measure.plane=0"
  pathsearch run digits $seeds --out "runs/digits-$1"
  for points in 2 5 17; do pathsearch ensemble "runs/digits-$1" --points $points; done
done
pathsearch run cifar10-resnet8.yaml objective.data.root="$folder" method.name=polygon \
  measure.examples=10000 measure.points=5 measure.tolerance=1 --out runs/ensemble-cifar10
for points in 2 5; do pathsearch ensemble runs/ensemble-cifar10 --points $points; done
