#!/bin/sh
# The runs of README.md, about an hour on two cores: sh cifar10-resnet8.sh FOLDER, which has pictures in train/ and test/
set -eu
cd "$(dirname "$0")"
config="cifar10-resnet8.yaml objective.data.root=$1"
for pair in "0 1" "2 3" "4 5"; do
  set -- $pair
  seeds="endpoints.start.train.seed=$1 endpoints.end.train.seed=$2"
  pathsearch run $config $seeds method.name=polygon method.bends=1 --out "runs/polygon-$1"
  pathsearch run $config $seeds --out "runs/bezier-$1"
done
pathsearch run $config method="{name: neb, images: 6, spring: inf}" steps=100 --out runs/neb-0
pathsearch run $config --out runs/autoneb-0 steps=40 \
  method="{name: autoneb, spring: inf, cycles: [{insert: {rule: equal, count: 3}}, {insert: {rule: highest, count: 1, threshold: 0.1}}, {steps: 24}]}"
pathsearch compare runs/polygon-* runs/bezier-* runs/neb-0 runs/autoneb-0
pathsearch plot runs/polygon-0 runs/bezier-0 runs/neb-0 runs/autoneb-0 -o cifar10-resnet8.png
