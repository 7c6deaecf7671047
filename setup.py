"""Install acai_tf. The tests have run with every lower bound (see CONTRIBUTING.md)."""

import pathlib

from setuptools import find_packages, setup

setup(
    name="acai_tf",
    version="0.1.0",
    description="Autoencoders whose latent codes interpolate well: ACAI in Keras 3",
    long_description=(pathlib.Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The acai_tf authors",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    keywords="acai autoencoder vae aae vq-vae interpolation representation-learning keras",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["acai_tf", "acai_tf.*"]),
    package_data={"acai_tf": ["py.typed", "evaluation/report.html.jinja", "pretrained/*/*/*"]},
    entry_points={"console_scripts": ["acai-tf=acai_tf.__main__:main"]},
    python_requires=">=3.10,<3.13",
    install_requires=[
        "absl-py>=2.1.0",
        "importlib_resources>=6.4.0",  # missing in the requirements of tensorflow-datasets 4.9.10
        "jinja2>=3.1.0",
        "keras>=3.10.0",
        "matplotlib>=3.9.0",
        "numpy>=1.26.0",
        "pandas>=2.2.0",
        "pillow>=10.3.0",
        "psutil>=6.0.0",
        "scikit-image>=0.24.0",
        "scikit-learn>=1.6.0",
        "scipy>=1.13.0",
        "tabulate>=0.9.0",
        "tensorboard>=2.20.0",
        "tensorboardX>=2.6.2",
        "tensorflow>=2.20.0",
        "tensorflow-datasets>=4.9.8",
        "threadpoolctl>=3.5.0",
        "tqdm>=4.66.0",
    ],
    extras_require={
        "test": [
            "ai-edge-litert>=2.0.0",
            "hypothesis>=6.100.0",
            "ipykernel>=6.29.0",
            "jax>=0.5.0",
            "nbclient>=0.10.0",
            "onnxruntime>=1.22.0",
            "pytest>=8.0.0",
            "pytest-xdist>=3.6.0",
            "ruff==0.17.5",
            "tf2onnx>=1.17.0",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.20.0"],
        "jax": ["jax>=0.5.0"],
        "onnx": ["tf2onnx>=1.17.0"],
        "explore": ["gradio>=6.0.0"],
        "umap": ["umap-learn>=0.5.12"],
        "docs": [
            "mkdocs-material>=9.6.0",
            "mkdocstrings[python]>=1.0.0",
            "mkdocstrings-python>=2.0.0",
            "ruff>=0.9.0",  # wraps signatures
        ],
    },
)
