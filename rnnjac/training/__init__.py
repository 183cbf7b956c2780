"""Training of recurrent networks: a compiled loop, clipping of gradients and regularizers.

It may import everything but the outermost modules, those that draw and that convert networks of
other libraries.
"""

from rnnjac.training import clipping as clipping
from rnnjac.training import regularizers as regularizers
from rnnjac.training.monitor import monitor as monitor
from rnnjac.training.train import Metrics as Metrics
from rnnjac.training.train import Training as Training
from rnnjac.training.train import train as train
