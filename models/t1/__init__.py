"""T1: solution operators of partial differential equations with a single transform.

Poli, Massaroli, Berto, Park, Dao, Re, Ermon: Transform Once: Efficient Operator Learning in
Frequency Domain, NeurIPS 2022 (arXiv 2211.14453).

transforms.py holds the cosine transform, layers.py the layers between kept coefficients with their
initialisation, modes.py the choice of those coefficients, network.py the networks T1, T1+ and T1U;
fno.py, unet.py and peers.py (networks of the package neuraloperator) are what they are measured
against, operator.py what turns any of them into an operator of fields, train.py its fit, search.py
the choice of its learning rate, symmetries.py more samples from those there are, baselines.py and
scores.py what it is held against, benchmark.py what a step and a prediction cost.

Deviations
----------
- The pointwise lift is applied to coefficients, after the transform of the few input channels: both
  are linear, the numbers are the same, and the cost hardly depends on the grid.
- Every coefficient read or predicted is standardised by its mean and deviation over the train
  samples; without it the coefficients differ by orders of magnitude and training stays at the mean
  field. FNO and U-Net get one mean and deviation a channel, with which they generalise better.
- Layers preserve the variance of the kept coefficients (deviation 1/sqrt(c_in)), not that of the
  whole field (sqrt(N / (M c_in))): with residual layers the latter grows by N/M a layer, and the
  sine of the head then sees noise. `SpectralLayer(points=...)` gives the latter.
- The loss counts the energy that the targets have outside of the kept coefficients, so that it is
  the relative L2 error of the field, not of its truncation.
- On another grid coefficients are scaled by the square root of the size ratio; fields stand at cell
  centres, as the DCT-II has them.
- Coefficients may be chosen by energy or explained variance, as a product of index sets.
- The paper does not define T1+ apart from T1U: here T1+ is T1 with a small residual U-Net over the
  coefficients before its head, T1U one layer and a U-Net.
- A fit may be given a time budget, over which the learning rate rises and then falls as half a
  cosine, and keeps the weights of the smallest validation error; validation samples are never test
  samples. Each operator's peak rate is the best of a few equally short fits.
- `shifts` and `mirrored` multiply the samples of the forced torus flow by symmetries of its
  equation, for all models alike. T1 needs them more than FNO, whose layers move with the flow.
- The ablation with a Fourier transform in place of the cosine transform is left out.
"""
