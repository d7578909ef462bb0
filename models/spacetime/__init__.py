"""SpaceTime: forecasting with companion-matrix state spaces.

Zhang, Saab, Poli, Dao, Goel, Re: Effectively Modeling Time Series with Simple Discrete State
Spaces, ICLR 2023 (arXiv 2303.09489).

kernels.py holds the convolution kernels of a companion matrix, published_kernels.py the two other
algorithms for them, ssm.py the open-loop, closed-loop and recurrent layers made of them. layers.py,
network.py and forecaster.py are the network around those, rivals.py others of its width, train.py
their fit. windows.py cuts a series, baselines.py and arima.py forecast it without a network,
intervals.py adds prediction intervals; forecasters.py fits and runs all of them on the same
windows, significance.py compares their errors. selection.py chooses look-back, transform and
learning rate by rolling origins. future.py forecasts beyond the end of series,
classifier.py names whole ones.

Deviations
----------
- Kernels come from the generating function by Newton inversion, not from powers of A or from the
  Woodbury identity on the unit circle: exact for every l and d, and no division by zero when a root
  of A lies on the circle, as it does for a random walk.
- The closed loop's forecast follows the recurrence of its characteristic polynomial, a block of
  steps a product. No horizon x d matrix a channel, nor its gradient, is formed.
- The fixed filters and the first state space are joined into one kernel before they meet a batch.
- The last column is divided by max(1, ||a||_1), not by ||a||_1: stability needs no more, and an
  AR(1) process with a coefficient below 1 stays what it is.
- The closed loop uses the same bounded a, b, c, k for its states, its outputs and its own inputs;
  the released code mixes bounded and unbounded b and k.
- Parameters start uniform in +-1/sqrt(d). With the released N(0, 1) the third loss begins near 7
  and drowns the other two.
- Input transform "seasonal" (the default): differences over one season, next to the released lag
  mean and last value. On series with a strong daily curve the network would otherwise spend its
  training on learning that curve. `lag` counts the season that the differences use up.
- Transformed inputs are divided by their size over the train windows, so that settings carry over
  from one series to another.
- Early stop, and the weights kept, go by the mean squared error over all validation windows;
  training windows are never dropped, not even those of a last, shorter batch.
- An epoch may take every few windows, from a start drawn anew each time: at a stride of 4 ETTh1 is
  learned in a quarter of the steps.
- Look-back, input transform and learning rate are chosen by rolling origins before the test rows,
  not by the one validation split; see selection.py.
- Rivals forecast in one pass over the lag and `horizon` empty steps, as in S4's Informer tasks.
- The fixed residual filters see zeros before the window, as in the released code.
- The classifier has a layer norm before its readout; JapaneseVowels and other series inside a
  package stand in for ECG and Speech Commands, which cannot be had offline.
- The width grows with the number of channels; the released configuration fixes it at 128.
"""
