"""Built-in networks: an architecture is one file and one line of the table.

Every constructor takes `shape` (of one input, without the batch) and `outputs`; what more is listed by its signature.
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
        "resnet20-3x3": "resnet:resnet20_3x3",
        "preresnet110": "preresnet:preresnet110",
        "preresnet164": "preresnet:preresnet164",
        "vgg16": "vgg:vgg16",
        "vgg19": "vgg:vgg19",
        "vgg16bn": "vgg:vgg16bn",
        "vgg19bn": "vgg:vgg19bn",
        "wrn28-10": "wide_resnet:WideResNet",
        "densenet40-12": "densenet:densenet40",
        "densenet100-12-bc": "densenet:densenet100_bc",
        "cnn12": "wide_cnn:cnn12",
        "cnn24": "wide_cnn:cnn24",
        "cnn36": "wide_cnn:cnn36",
        "cnn48": "wide_cnn:cnn48",
        "cnn96": "wide_cnn:cnn96",
        "cnn48x2": "wide_cnn:cnn48x2",
        "cnn48x3": "wide_cnn:cnn48x3",
        "vit": "vit:Vit",
        "gpt": "gpt:Gpt",
    },
)
