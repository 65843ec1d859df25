"Package metadata. Everything is declared once, in settings.ini."

import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent


class WithLessons(build_py):
    "The package, and the lessons that `unet-explorer lab` copies; a clone has them in nbs/."

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "unet_explorer" / "lessons"
        for path in sorted((here / "nbs").rglob("*")):
            lesson = path.suffix in (".ipynb", ".json", ".png", ".svg")
            if lesson and ".ipynb_checkpoints" not in path.parts:
                to = target / path.relative_to(here / "nbs")
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)


config = ConfigParser(delimiters=["="])
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
extras = {
    name: cfg[f"{name}_requirements"].split()
    for name in (
        "onnx",
        "big",
        "cluster",
        "processes",
        "share",
        "openvino",
        "elpv",
        "em",
        "beyond",
        "lab",
        "dev",
    )
}

setup(
    cmdclass={"build_py": WithLessons},
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="Apache-2.0",
    keywords=cfg["keywords"].split(),
    packages=find_packages(include=["unet_explorer", "unet_explorer.*"]),
    package_data={
        "unet_explorer": ["*.txt", "comparator.*", "*.js", "*.css", "*.yaml", "*.pyi", "py.typed"]
    },
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={
        "console_scripts": cfg["console_scripts"].split(),
        "napari.manifest": ["unet-explorer = unet_explorer:napari.yaml"],
        "nbdev": [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Intended Audience :: Education",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
    zip_safe=False,
)
