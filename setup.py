"""What pyproject.toml cannot say yet without a warning: the kernels for processors with matrix tiles."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "rvc.nn.kernels._amx",
            ["rvc/nn/kernels/amx.c"],
            depends=[
                "rvc/nn/kernels/amx_attention.h",
                "rvc/nn/kernels/amx_activations.h",
                "rvc/nn/kernels/amx_split.h",
            ],
            libraries=["m"],
            extra_compile_args=["-O3", "-fopenmp"],  # not linked with OpenMP: torch brings its own
            optional=True,  # without a C compiler the project installs without them
        )
    ]
)
