"""One row per preset: everything that decides what a model computes, and nothing else."""

import math
from dataclasses import replace

from stream_inspector.presets.adapted import (
    at_size,
    for_categories,
    shortened,
    with_backbone,
    with_batch,
)
from stream_inspector.presets.columns import (
    B4,
    CHAIN,
    DINOV2,
    EXAMINER,
    GOOD_IMAGES,
    LITE0,
    LITE2,
    MULTIPLE,
    PER_IMAGE,
    WORST_CELLS,
    Backbone,
    Diffusion,
    GaussianPlan,
    MemoryPlan,
    MixturePlan,
    NetworkShape,
    Preset,
    TrainingPlan,
    examiner_grid,
    preset_from_dict,
)

__all__ = [
    "B4",
    "CHAIN",
    "DINOV2",
    "EXAMINER",
    "FEATURE_DIFFUSION",
    "FEATURE_DINO",
    "FEATURE_FAST",
    "FEATURE_FINE",
    "FEW_IMAGES",
    "GOOD_IMAGES",
    "LITE0",
    "LITE2",
    "MULTIPLE",
    "PAPER",
    "PER_IMAGE",
    "PIXEL_SMALL",
    "PRESETS",
    "WORST_CELLS",
    "Backbone",
    "Diffusion",
    "GaussianPlan",
    "MemoryPlan",
    "MixturePlan",
    "NetworkShape",
    "Preset",
    "TrainingPlan",
    "at_size",
    "examiner_grid",
    "for_categories",
    "preset_from_dict",
    "shortened",
    "with_backbone",
    "with_batch",
]

_PIXEL = Diffusion(
    channels=3,
    size=(128, 128),
    parameterisation="x0",
    network=NetworkShape(
        channels=48,
        multipliers=(1, 2),
        res_blocks=1,
        attention=(2,),
        head_channels=48,
        patch=4,
        feature_channels=LITE0.channels,
    ),
    plan=TrainingPlan(iterations=500, batch=8, learning_rate=1e-3, steps=(20, 450)),
    score_steps=(100, 200),
)

PIXEL_SMALL = Preset(
    name="pixel-small",
    input_size=(256, 256),
    grid=(32, 32),
    pixel=_PIXEL,
    feature=None,
    mixture=MixturePlan(components=48, shrink=0.2),
    weights=(("kl", 0.125), ("features", 0.125), ("mahalanobis", 1.0)),
    smoothing=4.0,
)

FEATURE_DIFFUSION = Preset(
    name="feature-diffusion",
    input_size=(320, 320),
    grid=(40, 40),
    pixel=replace(
        _PIXEL,
        size=(256, 256),
        network=replace(_PIXEL.network, feature_channels=0, learned_variance=False),
        plan=replace(_PIXEL.plan, crop=128),  # as cheap as 128 pixels, and sharper
    ),
    feature=Diffusion(
        channels=LITE0.channels,
        size=(40, 40),
        parameterisation="v",
        network=NetworkShape(
            channels=96,
            multipliers=(1, 1),
            res_blocks=1,
            attention=(2,),
            head_channels=48,
            position=(40, 40),
        ),
        plan=TrainingPlan(iterations=400, batch=4, learning_rate=1e-3, steps=(0, 999)),
        score_steps=(500,),
        sampled=False,
    ),
    mixture=MixturePlan(components=256, shrink=0.2, place=2),
    nearby=MemoryPlan(vectors=512, candidates=8192, block=4, margin=3),
    weights=(("kl", 1.0), ("mahalanobis", 1.0), ("nearby", 0.5)),
    smoothing=4.0,
)

# The same without its diffusion, which finds nothing that its other members miss: docs/accuracy.md.
FEATURE_FAST = replace(
    FEATURE_DIFFUSION,
    name="feature-fast",
    feature=FEATURE_DIFFUSION.feature and replace(FEATURE_DIFFUSION.feature, score_steps=()),
    weights=(("mahalanobis", 1.0), ("nearby", 0.5)),
)

# Twice the pixels for defects of a few pixels, and twice the time.
FEATURE_FINE = replace(at_size(FEATURE_FAST, (448, 448)), name="feature-fine")

# For accelerators or slow lines: 32 times the operations of feature-fast.
FEATURE_DINO = replace(with_backbone(FEATURE_FINE, DINOV2), name="feature-dino")

# For 5 to 20 good images: not even counterparts are made; place and memory do it alone.
FEW_IMAGES = replace(
    FEATURE_FAST,
    name="few-images",
    mixture=MixturePlan(components=48, shrink=0.2, place=2),
    weights=(("mahalanobis", 1.0), ("nearby", 1.0)),
)

# RAN sections A to D. T = {5, 50, 100} counts on the 250 steps: original steps 20, 201 and 401.
PAPER = Preset(
    name="paper",
    input_size=(256, 256),
    grid=(64, 64),
    pixel=Diffusion(
        channels=3,
        size=(256, 256),
        parameterisation="eps",
        network=NetworkShape(
            channels=256,
            multipliers=(1, 1, 2, 2, 4, 4),
            res_blocks=2,
            attention=(8, 16, 32),  # at 32, 16 and 8 pixels
            head_channels=64,
            feature_channels=B4.channels,
            feature_level=4,  # 64 pixels
        ),
        plan=TrainingPlan(
            iterations=10_000,
            unified_iterations=20_000,
            batch=2,
            learning_rate=1e-4,
            steps=(0, 999),
            bound_weight=1 / math.log(2),  # 1 in bits, as in guided diffusion
            rotation=5.0,
        ),
        score_steps=(5, 50, 100),
        score_chain=250,
    ),
    feature=None,
    mixture=MixturePlan(components=128, shrink=0.2),
    weights=(("kl", 0.5), ("features", 0.5)),
    smoothing=0.0,
    backbone=B4,
    counterpart="paper",
    whitened=False,
    pooled_kl=False,
)

PRESETS = {
    preset.name: preset
    for preset in (
        FEATURE_FAST,
        FEATURE_FINE,
        FEATURE_DINO,
        FEATURE_DIFFUSION,
        PIXEL_SMALL,
        FEW_IMAGES,
        PAPER,
    )
}
