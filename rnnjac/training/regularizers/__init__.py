"""Terms added to a loss so that gradients keep their size: Pascanu's Omega, gradient flossing."""

from rnnjac.training.regularizers.gradient_flossing import Flossing as Flossing
from rnnjac.training.regularizers.gradient_flossing import flossing as flossing
from rnnjac.training.regularizers.omega import FORMS as FORMS
from rnnjac.training.regularizers.omega import pascanu_omega as pascanu_omega
from rnnjac.training.regularizers.omega import with_omega as with_omega
