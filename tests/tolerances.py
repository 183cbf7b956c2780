"""Tolerances of all tests, as multiples of eps, with their derivations."""

import jax.numpy as jnp


def eps(dtype):
    """Distance from 1 to the next number, as a float."""
    return float(jnp.finfo(dtype).eps)


# --- activations ---
# First order, in eps, exp right to 2: p = e^{-|x|} has 2; 2p / (1 + p^2) adds 0.25 (p p), 0.5 (sum)
# and 0.5 (quotient) to them; the square doubles the 3.25 and adds 0.5. The other slopes need less.
ACTIVATION_SLOPE = 7
# Three exponentials (6) whose arguments add 1 at most, and some five roundings of numerator and
# quotient (3 at worst, measured).
GATED_SLOPE = 12
# Second derivatives multiply a slope by a value of tanh (8, measured for XLA) and round twice more.
ACTIVATION_CURVATURE = 17
# Values: the vendor's tanh, log1p and exp (8 at worst) and two roundings.
ACTIVATION_VALUE = 10

# --- elman ---
# Dot products of at most 5 entries of order 1 to 3, and the activation (10) on top.
ELMAN_STEP = 40

# --- cells ---
# One step: dot products of at most 5 normal entries (5 roundings, arguments up to ~4), damped by
# the slope of what follows (<= 1); activations (10); gates and sums. Relative to max(1, largest
# entry).
CELL_STEP = 20
# One-step Jacobians: slopes (7 each) and their shift by an argument off by some eps, times weights
# up to ~2; relative to max(1, largest entry).
CELL_JACOBIAN = 30
# A sum of 40 logs, each right to a few eps and rounded at the size of the sum (40 / 2 eps).
CELL_CHAIN = 60

# --- interop ---
# One step of each side as in CELL_STEP and CELL_JACOBIAN, rounded independently: the other
# library's slopes 1 - y^2 and y (1 - y) are right to 2 eps of 1, and layers hand errors on
# damped.
INTEROP_STEP = 2 * CELL_STEP
INTEROP_JACOBIAN = 2 * CELL_JACOBIAN

# --- gates ---
# Products of 14 one-step Jacobians of 4 units, each right to some eps: 16 eps of the product's norm
# at worst in 12 draws.
CAROUSEL_PRODUCT = 100
# A sum of 2000 equal logs, each addition rounded at the size of the sum: at most T/2 eps of it.
CAROUSEL_LOG = 1000

# --- lstm_carousel, relu_and_identity ---
# Relative to the largest of T logs or terms summed, each rounded at the size of the sum.
SUM_OF_LOGS = 30
# 20 products of 6 by 6 matrices against as many steps of the state; each differs by some n eps.
HOMOGENEOUS_STATE = 300

# --- initializers ---
# A mean of N draws is normal with a known deviation; 5 of them are passed once in 2 million.
STATISTICAL_SIGMAS = 5
# Compiled and eager draws differ by the fusing of a few roundings, relative to the largest entry;
# eigenvalues of a 4 by 4 matrix (the radius of the sparse start) move it by tens of eps.
REDRAWN_WEIGHT = 50
# Householder QR: |Q^T Q - I| a small multiple of n^(1/2) eps per entry, n <= 6, gain^2 = 4.
ORTHOGONALITY = 40
# Eigenvalues of a random n by n matrix, in n eps: backward error a few, condition numbers to ~10.
EIGENVALUE = 30

# --- bounds ---
# LAPACK singular values of an n by n matrix, in n eps relative to the largest (a small constant).
SINGULAR_VALUE = 5
# In h^2, h = eps^(1/3): third derivative / 6 of the function along a direction of order 1, and the
# rounding error (eps / h = h^2) times the eigenvalue constant.
CENTRAL_DIFFERENCE = 50

# --- observables ---
# Sums of 5 terms of order 1 to 8, one division; relative to the result, and to its slope if larger.
OBSERVABLE = 40

# --- oracles ---
# In float64 eps under either setting. The stored log is rounded once; a closed form takes a log, a
# product and a sum.
ORACLE_ROUNDING = 4
# LAPACK's backward errors are modest multiples of n eps times the condition stated in the test.
ORACLE_BACKWARD = 10

# A figure from the literature, printed with seven digits after the point.
QUOTED_TO_SEVEN_DIGITS = 1e-7

# --- truth ---
# The project's accuracy promise for well-conditioned factors: an absolute error of log sigma, which
# is 4.5e6 eps in float64 and 840 eps per step in float32. From 128 units on, LU in single precision
# has a tail at the far end of the spectrum (growth, cond(L) of some hundreds: measured 0.01 to
# 0.1), ten times as much in the worst of n values, while half of them keep 1e-4 in all.
LOG_SIGMA_FLOAT64 = 1e-9
LOG_SIGMA_FLOAT32_PER_STEP = 1e-4
LARGE_SIZE = 128
LARGE_WORST_FLOAT32_PER_STEP = 1e-3
LARGE_MEDIAN_FLOAT32 = 1e-4
# Factors this badly conditioned once their rows are scaled are outside the promise: rounding moves
# the smallest singular value of one by 1e-10 in float64, 1e-2 in float32.
PROMISED_CONDITION = {"float64": 1e6, "float32": 1e5}
COVERAGE = 0.99
# The 99 of 100 are a mean over many chains. The values of one chain share their errors: those that
# are passed, are passed together (measured: 5 of 64 at the worst).
ROW_COVERAGE = 0.9
# Nor is one of them further off than this many times its error. A deviation that is estimated from
# one draw falls short by so much once in some hundreds (measured: 3.5 at the worst, in 12,000).
TAIL = 5
MEDIAN_OVERSTATEMENT = 60
# Values of a promised chain from 64 units on of which `error` may say that they could be zero.
INFINITE_SHARE = 0.01


def promised_log_sigma(dtype, steps, n=1):
    """Largest promised |error| of log sigma of n after so many steps."""
    if dtype == "float64":
        return LOG_SIGMA_FLOAT64
    per_step = LARGE_WORST_FLOAT32_PER_STEP if n >= LARGE_SIZE else LOG_SIGMA_FLOAT32_PER_STEP
    return per_step * max(steps, 10)


def promised_median(dtype, steps, n):
    """Largest promised median |error| of n log sigma."""
    if dtype == "float64" or n < LARGE_SIZE:
        return promised_log_sigma(dtype, steps, n)
    return LARGE_MEDIAN_FLOAT32


# --- graded, jacobi, spectrum, gradient ---
# A singular value of a matrix of n columns whose rows have condition number k: n k eps, times a
# small constant; the tests pass n k.
JACOBI = 10
# Overlaps of 1e-3 between unit vectors, which rounding of their entries moves by some eps: a
# thousand times that of the overlap.
LEFT_OVER = 10000
# sum_i |u_ki| e^(l_i) / sigma_k: vectors right to n eps (n <= 40) over relative gaps of sigma of
# some hundredths.
SENSITIVITY = 10000
# Sums of 7 positive terms through 7 ratios, squared: some 60 roundings in single precision. Logs up
# to 60 that are exponentiated carry as many eps of the precision they are in.
SPREAD = 200
# The claimed error of 1000 steps that round nothing, in eps of the size of the logs: the model
# charges each step some eps, as independent ones (a root of 1000), times SAFETY, and what
# neighbours share.
EXACT_STEPS = 1000
# One factor: products of n terms, an elimination, two triangular products, in n eps each, times the
# condition numbers (up to 100 for the matrices drawn).
FEW_STEPS = 2000
# Not in eps: each inner step of odeint is allowed 1.4e-8, by default, and takes some tens of them.
ODE_FLOW = 1e-6
# A sum of T logs, each rounded at the size of the sum so far: eps |sum| per step at the worst.
LOG_SUM = 2
# |sum of log sigma - sum of log |det J||, relative: LAPACK's determinants lose k eps per step.
DETERMINANT_FLOAT64 = 1e-9
DETERMINANT_FLOAT32 = 1e-4
# Finite differences of an exponent: h = eps^(1/3), error h^2 times third derivatives up to 100.
EXPONENT_GRADIENT = 1e-6


def sum_of_logs(dtype):
    """Relative tolerance of the identity sum log sigma = sum log |det J|."""
    return DETERMINANT_FLOAT64 if dtype == "float64" else DETERMINANT_FLOAT32


# --- eigenvalue_decay ---
# 50 factors of size 2: a slope right to 7 (above), two products and a sum, 10 each; the log of e^35
# is rounded at 36 on top.
DECAY_LOG_PRODUCT = 600
# s = tanh(2 s), slope 1/6 there: 8 for tanh over 1 - 1/6; the multiplier 2 (1 - s^2) moves by 4 as
# much, and is right to 7 besides.
DECAY_FIXED_POINT = 50
# Sums over 8 units and 24 steps of terms up to some tens times the result.
DECAY_IDENTITY = 10000


# --- benchmarks ---
# A mean over the factorisations of a chain, each off by a small multiple of n eps: in n eps per
# unit of time (0.8 at worst among the packages, in either precision). Also of a chain of 7
# products.
PEER_EXPONENT = 10
# The rows of an LSTM's Jacobian are nearly dependent: condition numbers to some 1e3 with 4 units.
GATED_CONDITION = 1000

# --- tasks ---
# Counts and correlations of independent draws, in their standard deviations; some 60 are looked at,
# and 5 is passed by chance once in 30000 runs of all of them.
TASK_DEVIATIONS = 5

# --- clipping ---
# A norm of 5 entries, a division and a product: a few eps each.
CLIPPED = 10

# --- training ---
# Twelve updates of parameters of order 1, the same sums fused otherwise: some eps at each. Also the
# spectrum of a scaled rotation over ten steps.
TRAINING = 100

# --- regularizers ---
# Sums of at most 18 terms, each from products of n = 4 entries, relative to the largest entry; a
# ratio q is right to some 10 eps, and enters squared. 1e-10 in float64 would be 450000.
OMEGA = 1000
# Means of 8 logs, each right to a few eps, and a square.
FLOSSING = 60
# The project's promise for leading exponents that have been flossed, nat per step.
FLOSSED = 0.02

# --- trained_digits ---
# 64 steps of 10 units, each product of a slope (7) and a dot product right to some 10 eps, in both
# passes; the log norm is of order 10 at most.
DIGIT_GRADIENT = 2000
# The mean of 1 - s^2, where s carries the errors of 64 steps that shrink (orthogonal weights,
# slopes below 1), 20 each at first order.
DIGIT_SLOPE = 1300

# --- gates_learn ---
# Twenty steps of an LSTM with weights of size 2, each right to some 10 eps and passed on with
# factors that do not grow; log f has slope 1 - f < 1 in its argument of size up to 10.
GATE_RUN = 500
# Logs of products of twenty such steps: relative errors add up, and the trajectory's with them.
GATE_PRODUCT = 5000

# --- cliff ---
# 1 + m + ... + m^49: the multiplier is a slope (7) times a weight, so m^49 is right to 49 * 8.
CLIFF_SUM = 500
# 50 steps of x = w sigma(x) + b from points where the multiplier stays below 5/4 and soon below 1:
# each adds some 10 and the largest product of multipliers on the way is below 10.
CLIFF_RUN = 1000
# The promise for the saddle-nodes, which are computed in float64 under either setting.
SADDLE_NODE = 1e-6

# --- char_text ---
# Cross-entropies of order 5 bits after states whose errors (20 eps a step) shrink, and sums of 11
# logits and of 30 steps.
CHARACTER_BITS = 500
# A product of a slope (7) and a dot product of 5 terms for each lag, relative to its norm.
CHARACTER_GRADIENT = 100
# Bits: a mean over 1600 held-out characters whose surprise has a deviation of 2, once, from one
# fixed draw; what 14400 characters leave unknown of the probabilities is a fifth of that.
CHARACTER_COUNTS = 0.05

# --- temporal_order ---
# Ten steps of four units, each product of a slope (7) and a dot product right to some 10 eps, in
# both passes; log norms of order 10 at most.
ORDER_GRADIENT = 500

# --- reach, leading, batches ---
# In eps^(2/3): what `reach` allows an ordinary SVD to move log sigma by, times the norms of the
# factors that were multiplied out (some n^(1/2) each, n <= 24).
REACH_BY_SVD = 5
# Vectors of products of some 20 steps: relative errors of n eps each, amplified by the angles
# between what successive steps stretch, over gaps of sigma of some tenths.
LEADING_VECTOR = 20000
# Orthonormality of vectors: a QR, some 10 sweeps of rotations and two products, a few eps each.
LEADING_ORTHOGONALITY = 100

# --- lengths ---
# The same steps in another program: sums of 40 terms of 3 entries fused otherwise, some eps each,
# times what the smallest of 3 singular values loses to rounding (errors of some 1000 eps are
# reported there).
PADDED = 10000

# --- diagnosis ---
# A leak, or the matrix less it, is a ratio of entries of a Jacobian of 3 units: two divisions and a
# mean of some 15 values of order 1, each right to 2 or 3 eps.
RECOGNISED_LEAK = 20
# A slope is the ratio of a row of a Jacobian and a row of W, taken where W is largest; entries are
# right to 3 eps of terms some ten times the slope where a leak of 0.7 is taken off.
RECOGNISED_SLOPE = 100
# A gate is read off a diagonal, or is a sigmoid of 5 products summed: some eps of sums of order 5.
GATE_READ = 20
# Shares of five paths, squares of sums of 3 products over their total: some 2 eps each.
GATE_SHARES = 20
# The log of a product of 60 equal factors: an eps of each in turn, of a log of 24.
LOG_OF_POWER = 60
