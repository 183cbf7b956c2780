"""Settings of Sphinx for `make docs`."""

import importlib.metadata
import logging
import os
import sys
from pathlib import Path

import rnnjac

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"
sys.path.insert(0, str(HERE / "_ext"))

project = "rnnjac"
author = "The rnnjac developers"
copyright = author
version = release = rnnjac.__version__

extensions = [
    "mathml",
    "docstrings",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
exclude_patterns = ["_*"]
default_role = "py:obj"

# Pages are run as they are built; one that raises ends the build. They compile as the tests do (see
# tests/conftest.py) and share what was compiled.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 240
nb_execution_in_temp = True
nb_ipywidgets_js = {}
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "attrs_block"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

for name, value in {
    "JAX_COMPILATION_CACHE_DIR": str(BUILD / "jax-cache"),
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "JAX_PLATFORMS": "cpu",
    "NPROC": "8",
    "TQDM_DISABLE": "1",
}.items():
    os.environ.setdefault(name, value)
if importlib.metadata.version("jaxlib").startswith("0.10."):
    flags = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
    os.environ.setdefault("XLA_FLAGS", flags)
logging.getLogger("traitlets").setLevel(logging.WARNING)

# drawings, not bitmaps, in the style of rnnjac.plot
profile = BUILD / "ipython" / "profile_default"
profile.mkdir(parents=True, exist_ok=True)
(profile / "ipython_kernel_config.py").write_text(
    'c.InlineBackend.figure_formats = {"svg"}\nc.IPKernelApp.log_level = 40\n'
)
os.environ["IPYTHONDIR"] = str(profile.parent)
os.environ["MATPLOTLIBRC"] = str(HERE / "_static" / "matplotlibrc")

autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = "rnnjac"
html_static_path = ["_static"]
html_css_files = ["rnnjac.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#332288", "color-brand-content": "#332288"},
    "dark_css_variables": {"color-brand-primary": "#88ccee", "color-brand-content": "#88ccee"},
}
