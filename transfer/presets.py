"""The settings of papers and of well-known programs: `--preset NAME`; see `nstkit.presets`. No torch here.

What all have in common:

- Absolute losses belong to weights. Those of the papers are the ones that the authors of VGG published, which give
  features of some hundreds; what they take (blue, green, red, 0 to 255, less a mean) is recognised in a file that is
  given as `vgg19@FILE`. timm's and torchvision's own VGG was trained anew, and its features are of another size.
- A rate of 5 or 100 belongs to numbers from 0 to 255 (`--pixel-range`), and to the pixels themselves.
- The style is scaled as the content is, and keeps its ratio; Keras and TensorFlow stretch it to the content's.
- The canvas is kept between black and white after every step; Keras and SciPy let it leave that.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Literal

from nstkit.backbones.spec import parse_backbone, split_norm
from nstkit.errors import UserError
from nstkit.presets import Preset

PresetName = Literal[
    "gatys2016",
    "neural-style",
    "tf-tutorial",
    "gupta2019",
    "gupta2019-twelve",
    "basheer2021",
    "basheer2021-vgg19",
    "balaji2021-sgd",
    "balaji2021-adam",
    "elmitwally2022",
    "altaha2023",
]
Given = Mapping[str, Any]
Values = dict[str, Any]

GATYS_STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def gatys2016(given: Given) -> Values:
    """Gatys, Ecker, Bethge 2016, "Image style transfer using convolutional neural networks".

    From the paper: VGG19 with average pooling, its filters scaled to a mean activation of 1 (`--gauge canonical`),
    style conv1_1 to conv5_1, content conv4_2, L-BFGS from white noise, 512 px.

    Left open there: the number of evaluations (500, as in the authors' notebook), and what their content to style of 1
    to 1000 is the ratio of: with the sums of their equations 1 and 4 and filters of mean 1, noise has 1700 times as
    much weighted content loss as style loss, and the photograph comes back. So losses and weights are those of the
    authors' notebook: means, content 1, and 1000 / N^2 for the style layer of N channels, 0.328 in all.
    """
    return {
        "backbone": ("vgg19",),
        "pooling": "plain-avg",
        "gauge": "canonical",
        "loss": "tensorflow",
        "style_taps": ("relu1_1=64", "relu2_1=16", "relu3_1=4", "relu4_1=1", "relu5_1=1"),
        "content_taps": ("relu4_2",),
        "content_weight": 1.0,
        "style_weight": 0.328,
        "tv_weight": 0.0,
        "canvas": "pixels",
        "pixel_range": "0-255",
        "optimizer": "lbfgs",
        "init": "noise",
        "size": 512,
        "scales": 1,
        "steps": 500,
    }


def neural_style(given: Given) -> Values:
    """neural-style (Johnson 2015) and neural-style-pt, as they come: L-BFGS, 1000 evaluations, grey start.

    Their default start is noise of a 250,000th of the range around the mean colour, which grey is nearer to than the
    noise here. Differs: their L-BFGS takes the plain step, this one shortens it where the loss rises.
    """
    return {
        "backbone": ("vgg19",),
        "pooling": "max",
        "loss": "neural-style",
        "style_taps": GATYS_STYLE,
        "content_taps": ("relu4_2",),
        "content_weight": 5.0,
        "style_weight": 100.0,
        "tv_weight": 1e-3,
        "canvas": "pixels",
        "pixel_range": "0-255",
        "optimizer": "lbfgs",
        "history": 100,
        "init": "grey",
        "size": 512,
        "scales": 1,
        "steps": 1000,
    }


def tf_tutorial(given: Given) -> Values:
    """The tutorial of tensorflow.org: VGG19, Adam with an epsilon of 0.1, total variation 30, from the content.

    Ten epochs of 100 steps. Losses are means; the layers of Keras named blockB_convN end behind their ReLU.
    """
    return {
        "backbone": ("vgg19",),
        "pooling": "max",
        "loss": "tensorflow",
        "style_taps": GATYS_STYLE,
        "content_taps": ("relu5_2",),
        "content_weight": 1e4,
        "style_weight": 1e-2,
        "tv_weight": 30.0,
        "canvas": "pixels",
        "optimizer": "adam",
        "lr": 0.02,
        "beta1": 0.99,
        "beta2": 0.999,
        "epsilon": 0.1,
        "init": "content",
        "size": 512,
        "scales": 1,
        "steps": 1000,
    }


def elmitwally2022(given: Given) -> Values:
    """Elmitwally 2022, "Neural Style Transfer": textile designs, total variation against artefacts.

    From the paper: VGG19, Adam at 0.02, style 1e-2, content 1e4, total variation, 10 epochs of 100 steps. Folders after
    --content and --style give its designs in bulk.

    Left open there: layers, size, start, the weight of total variation and Adam's constants. All are those of the
    tutorial of tensorflow.org, which has the same weights, rate and length.
    """
    return tf_tutorial(given)


def basheer2021_vgg19(given: Given) -> Values:
    """Basheer and others 2021: the VGG19 with Adam that their ResNet50 is compared with.

    From the paper: Adam at 0.02, style 1e-2, content 1e4, 100 steps, from the content picture. They also start from the
    style (`--init style`), and take 10 steps to see whether it works.

    Left open there: layers, size, Adam's constants and total variation, which are those of the tutorial of
    tensorflow.org; their weights and their rate are its own.
    """
    return {**tf_tutorial(given), "steps": 100}


def basheer2021(given: Given) -> Values:
    """Basheer and others 2021, "A faster neural algorithm for artistic style transfer": ResNet50 with NAdam.

    From the paper: ResNet50, two layers for content and eight for style inside of its blocks, NAdam at 0.09, style
    0.5e-2, content 0.3e4, 100 steps, from the content picture. Keras' `convS_blockB_K_relu` is `layer{S-1}.{B-1}.actK`
    of timm, and `_3_conv` is `conv3`.

    Left open there: NAdam's constants, total variation and size; all as in `basheer2021-vgg19`.

    Differs: the ResNet50 of Keras is v1 (the stride stands in a block's first convolution) and takes Caffe's colours,
    those of timm and torchvision are v1.5 with their own: the same layers have names here, the same numbers need
    converted weights.
    """
    return {
        **basheer2021_vgg19(given),
        "backbone": ("resnet50",),
        "style_taps": (
            "layer1.0.act2",
            "layer1.1.act1",
            "layer2.1.act1",
            "layer2.3.conv3",
            "layer3.3.act2",
            "layer3.5.act2",
            "layer4.1.act2",
            "layer4.2.act2",
        ),
        "content_taps": ("layer3.4.act1", "layer4.2.act2"),
        "content_weight": 0.3e4,
        "style_weight": 0.5e-2,
        "optimizer": "nadam",
        "lr": 0.09,
    }


def balaji2021_sgd(given: Given) -> Values:
    """Balaji and others 2021, "Neural style transfer for modeling artistic images": VGG19 and SGD at 100.

    From the paper: Caffe's colours, 400 rows, 40 iterations, a rate of 100 that decays by 0.96. Of their layer sets
    this is the first; the others, in their names and ours:

        style block1 to 5_conv1, content block5_conv1    --content-taps relu5_1 (this one)
        style block1 to 5_conv1, content block5_conv2    --content-taps relu5_2 (that of `balaji2021-adam`)
        style block1 to 5_conv1, content block3_conv4    --content-taps relu3_4
        style block1 to 3_conv1, content block2_conv2    --style-taps relu1_1 relu2_1 relu3_1 --content-taps relu2_2
        style block1 to 4_conv1, content block5_conv1    --style-taps relu1_1 relu2_1 relu3_1 relu4_1

    Left open there: losses, their weights, the start, and the steps of the decay. All are those of the example of
    keras.io, which has this rate, this decay and these rows: sums, content 2.5e-8, style 1e-6, total variation 1e-6,
    from the content, 0.96 over 100 steps.
    """
    return {
        "backbone": ("vgg19",),
        "pooling": "max",
        "loss": "keras",
        "style_taps": GATYS_STYLE,
        "content_taps": ("relu5_1",),
        "content_weight": 2.5e-8,
        "style_weight": 1e-6,
        "tv_weight": 1e-6,
        "canvas": "pixels",
        "pixel_range": "0-255",
        "optimizer": "sgd",
        "lr": 100.0,
        "lr_decay": 0.96,
        "lr_decay_steps": 100,
        "init": "content",
        "rows": 400,
        "scales": 1,
        "steps": 40,
    }


def balaji2021_adam(given: Given) -> Values:
    """Balaji and others 2021: the same with Adam at 5.

    From the paper: the rate, and content from block5_conv2, or block5_conv1 (`--content-taps relu5_1`).

    Left open there: Adam's constants, which are those of Keras (0.9, 0.999, 1e-7), and whether its rate decays, which
    it does not here.
    """
    return {
        **{name: value for name, value in balaji2021_sgd(given).items() if not name.startswith("lr_decay")},
        "content_taps": ("relu5_2",),
        "optimizer": "adam",
        "lr": 5.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-7,
    }


def altaha2023(given: Given) -> Values:
    """AlTaha and others 2023, "Style Transfer": the painting half, 5000 steps of Adam; see also `train_backbone`.

    `--backbone runs/train_backbone/RUN` with a run of `python -m train_backbone --preset altaha2023` is their own
    VGG19, the one named here the pretrained one of their comparison.

    From the paper: Adam at 0.02, 5000 steps, content 0.01, style 5, from the content picture or from noise (`--init
    noise`). Their text also has content 1 and style 0.01.

    Left open there: layers, size, and how the losses are divided. They are means here: then weights of 1 to 500 balance
    for features of about 1, which torchvision's VGG19 and one's own have. Under Gatys' sums one's own would keep the
    content and take no style.
    """
    return {
        "backbone": ("vgg19",),
        "pooling": "max",
        "loss": "tensorflow",
        "style_taps": GATYS_STYLE,
        "content_taps": ("relu4_2",),
        "content_weight": 0.01,
        "style_weight": 5.0,
        "tv_weight": 0.0,
        "canvas": "pixels",
        "optimizer": "adam",
        "lr": 0.02,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "init": "content",
        "size": 512,
        "scales": 1,
        "steps": 5000,
    }


POOLS = ("pool1", "pool2", "pool3", "pool4", "pool5")
POOLING_STAGES = {  # by the beginning of a network's name: style, content
    "vgg": (POOLS, ("pool4",)),
    "resnet50": (("stage0", "stage1", "stage2", "stage3", "stage4"), ("stage3",)),
    "inception_v3": (("stage0", "Pool1", "Pool2", "stage2", "stage3"), ("stage2",)),
}
IDENTITY_BLOCKS = tuple(
    f"layer{stage}.{block}" for stage, count in enumerate((3, 4, 6, 3), 1) for block in range(1, count)
)


def gupta2019(given: Given) -> Values:
    """Gupta and others 2019, "Image style transfer using CNNs based on transfer learning": one code, four networks.

    The network is that of --backbone: vgg16, vgg19, resnet50 or inception_v3, one at a time.

    From the paper: five pooling layers of each network, average pooling (`--pooling max` is their other), L-BFGS over
    10 iterations of 20 evaluations, from noise, content 0.025, style 5, total variation 0.1.

    Left open there: which layer content is from (the fourth of the five), the size (512 px), how losses are divided.
    Weights, rounds and `maxfun=20` are those of a widely copied Keras script, so the losses are Keras' sums. ResNet50
    and InceptionV3 pool twice only, so their stages' ends stand in for the rest. What the paper fed to InceptionV3 is
    thought to have been VGG's: that is `--preprocess caffe`. Differs: SciPy forgets its history after every 20.
    """
    style, content = POOLING_STAGES[family_of(given.get("backbone"), "gupta2019")]
    return {
        "backbone": ("vgg19",),
        "pooling": "plain-avg",
        "loss": "keras",
        "style_taps": style,
        "content_taps": content,
        "content_weight": 0.025,
        "style_weight": 5.0,
        "tv_weight": 0.1,
        "canvas": "pixels",
        "pixel_range": "0-255",
        "optimizer": "lbfgs",
        "history": 10,
        "line_search": "wolfe",
        "init": "noise",
        "size": 512,
        "scales": 1,
        "steps": 200,
    }


def gupta2019_twelve(given: Given) -> Values:
    """Gupta and others 2019: ResNet50 with twelve layers in place of five.

    Left open there: which. They are the twelve blocks that keep the size and have no convolution beside them.
    """
    return {**gupta2019({}), "backbone": ("resnet50",), "style_taps": IDENTITY_BLOCKS, "content_taps": ("layer3.5",)}


def family_of(backbones: Any, preset: str) -> str:
    """Return which of `POOLING_STAGES` the named networks belong to.

    Args:
        backbones: as after `--backbone`, not checked yet; None = VGG19.
        preset: its name, for the message.

    Raises:
        UserError: for networks of several families, or of none.
    """
    if not isinstance(backbones, (list, tuple)) or not backbones:
        return "vgg"
    names = [parse_backbone(str(text)).name for text in backbones]
    is_vgg = [name is None or split_norm(name) is not None for name in names]  # checkpoints are mostly VGGs of ours
    families = {
        "vgg" if vgg else next((family for family in POOLING_STAGES if str(name).startswith(family)), None)
        for name, vgg in zip(names, is_vgg, strict=True)
    }
    if len(families) == 1 and (family := families.pop()) is not None:
        return family
    allowed = "vgg16, vgg19, resnet50 or inception_v3"
    raise UserError(
        f"--preset {preset} with --backbone {' '.join(map(str, backbones))}: give {allowed}, one at a time."
    )


FEW_STEPS = 1 / 3  # of a preset's own: what begins from noise is then noise with a photograph in it


def warn_of_few_steps(preset: str | None, given: Given, init: str, steps: int) -> None:
    """Warn where a preset that begins from noise is given so few steps that noise is what comes out.

    Args:
        preset: its name, None for none.
        given: what the user gives beside it, by flat name.
        init: the first canvas, resolved.
        steps: evaluations, resolved.
    """
    own = PRESETS[preset](given)["steps"] if preset in PRESETS else 0
    if init in ("noise", "grey") and steps < FEW_STEPS * own:
        warnings.warn(
            f"--steps {steps} of the {own} that {preset} takes to get away from {init}: expect little more than that. "
            f"Leave --steps out, or add --init content",
            stacklevel=2,
        )


PRESETS: dict[str, Preset] = {
    "gatys2016": gatys2016,
    "neural-style": neural_style,
    "tf-tutorial": tf_tutorial,
    "gupta2019": gupta2019,
    "gupta2019-twelve": gupta2019_twelve,
    "basheer2021": basheer2021,
    "basheer2021-vgg19": basheer2021_vgg19,
    "balaji2021-sgd": balaji2021_sgd,
    "balaji2021-adam": balaji2021_adam,
    "elmitwally2022": elmitwally2022,
    "altaha2023": altaha2023,
}
