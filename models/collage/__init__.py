"""Collage Diffusion: pictures from layers with words (Sarukkai et al., arXiv 2303.00262).

layers.py what a collage is, words.py which tokens speak of which layer, masks.py masks at the
sizes networks work at, control.py steered cross-attention, sampler.py sampling with a noise of its
own for every layer, inversion.py words learned for the look of layers, edges.py layer-wise
ControlNet, editing.py one layer anew; parts.py and folding.py models in diffusers' shape, train.py
and train_edges.py our small one; judges.py, features.py, scores.py and findings.py what pictures
are worth; methods.py the ways of composing that are compared.

Deviations
----------
- Steering uses the sigma of the timestep that is denoised, from its cumulative alpha; the
  reference indexes its sigmas from the first although sampling begins later, and so steers too
  strongly.
- Held layers get the noise of the time just reached, and none at the end; the reference adds that
  of the time before, which stays in the picture.
- A layer is freed at the step where image-to-image of its noise begins, not once t/1000 is at most
  its noise, which may be a step earlier; and it is held with the noise drawn for the start, as
  diffusers' inpainting does, not with new noise each step. So what one layer is free to do takes
  nothing from how firmly the others are held.
- A largest logit below 0 steers nothing: its sign would be turned.
- Masks are averaged over cells, not interpolated, so that small layers stay and none leaks.
- Held parts are widened by a sixteenth of the side at full noise, 4 of 64 latents as in the
  reference; on small latents that comes to none.
- The loss of a learned word is divided by the area of its mask, and all layers of a collage learn
  at once. Learned words lie outside of the vocabulary: neither tokenizer nor embedding changes.
- Learned words begin from "a" as in the reference; learning rate and steps are for the small
  model.
- The small model denoises pixels folded into channels and predicts v; it runs in the shape of
  Stable Diffusion, and a folder of that runs through the same code.
- Outlines are found by a Canny of our own over SciPy, with the thresholds of the reference.
- Metrics are our own: the paper's tables are not quoted.
"""
