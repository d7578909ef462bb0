"""Hyena, H3 and long convolutions: sequence models on one causal convolution.

Poli, Massaroli, Nguyen, Fu, Dao, Baccus, Bengio, Ermon, Re: Hyena Hierarchy, ICML 2023
(2302.10866);
Fu, Dao, Saab, Thomas, Rudra, Re: Hungry Hungry Hippos, ICLR 2023 (2212.14052); Fu, Epstein, Nguyen,
Thomas, Zhang, Dao, Rudra, Re: Simple Hardware-Efficient Long Convolutions, ICML 2023 (2302.06646).

ops/ holds the convolution, every way to compute it; layers/ the mixers; backbone.py the stack that
takes any of them, train.py its fit, scores.py what it is held to; text.py and language_model.py
make it a language model like any other; presets.py the published sizes, benchmark.py what it costs.

Deviations
----------
- `order` counts as Hyena's code does: order 2 has two gates and one long filter. In the paper's
  count that is Hyena_1 with a gate before it.
- Poles of state spaces are bilinear by default, as H3's code has them; `zoh` is S4D's. Kernels come
  from two levels of powers in double precision instead of one Vandermonde matrix: same numbers, and
  at 16K steps two orders of magnitude less time.
- H3's shift SSM is computed as the causal filter that it is for B = e_1.
- Spectra of inference are kept until a weight changes. The baselines have them as well: real
  transforms, cached spectra, attention without its scores in memory.
- Long convolutions are causal, one kernel a channel and way; the bidirectional layer meets the
  present with both kernels. Squash is soft thresholding, and taps under the threshold get no
  gradient. Smoothing comes before a kernel is cut to its input, so that generating changes nothing.
- Learned butterflies are a layer of their own; trained away from the DFT they are not causal.
- Fused kernels (Triton) are order 2, to 8K steps, without a gradient; ops/monarch.py has any order.
- MAD's compression writes the tokens back itself instead of through a decoder of the last state.
- Pathfinder is drawn from the published parameters, not bit for bit; ListOps likewise.
- Text and retrieval of Long Range Arena, WikiText-103 and the Pile are not here: no data.
"""
