"""Built-in networks: an architecture is one file and one line of the table.

Every constructor takes `shape` (of one input, without the batch), `outputs` and `norm` (whether there is batch norm).
"""

from pathsearch.lazy import Table

MODELS = Table(
    __name__,
    {
        "mlp": "mlp:Mlp",
        "cnn": "cnn:SmallCnn",
        "resnet8": "resnet:resnet8",
        "resnet20": "resnet:resnet20",
        "resnet32": "resnet:resnet32",
        "resnet44": "resnet:resnet44",
        "resnet56": "resnet:resnet56",
    },
)
