"""The compiled kernels for processors with Intel AMX; setuptools declares extension modules here without a warning."""

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
            extra_compile_args=["-O3", "-fopenmp"],  # not linked with OpenMP, because torch loads its own
            optional=True,  # without a C compiler the project is installed without the kernels
        )
    ]
)
