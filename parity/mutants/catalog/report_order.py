"""The order in which reports and `out/mutants.json` list the faults, so that two runs can be compared line by line.

A fault that is not listed here comes after these, in flow order; a new fault needs no entry.
"""

_NAMES = """
guard-missing guard-0.99 guard-always guard-subtle highpass-missing highpass-one-way highpass-50Hz highpass-order-4
highpass-no-extension highpass-even-extension highpass-short-extension cut-signed-sum cut-energy cut-profile-late
cut-at-centre cut-loudest cut-relative cut-one-late pad-zeros pad-symmetric pad-edge segment-early pitch-slice-late
trim-late join-order mix-missing mix-exchanged mix-corners mix-half-window mix-hop-shifted mix-power resample-linear
resample-medium final-rounded final-floored final-32767 final-normalised final-guard-tight guard-16-bit guard-32767
guard-decibels guard-half highpass-13-digits cut-one-early cut-floored cut-profile-float32 segment-32767 segment-20-bit
segment-text segment-half upsample-fp24 upsample-fixed-16 upsample-fp24-cut upsample-half speaker-fixed-14
speaker-fixed-12 speaker-text trim-20-bit trim-32767 trim-fp24 join-20-bit join-32767 join-fp24 mix-rms-epsilon
mix-32767 mix-half-envelope mix-rate-16-bit resample-very-high resample-half resample-16-bit resample-to-16-bit
rmvpe-threshold-0.3 rmvpe-threshold-0.003 rmvpe-mel-slaney rmvpe-mel-fmin-0 rmvpe-mel-unnormalised
rmvpe-window-symmetric rmvpe-log-floor rmvpe-log10 rmvpe-pad-reflect rmvpe-center-zero rmvpe-average-7
rmvpe-cents-offset rmvpe-late rmvpe-octave rmvpe-gru-forward rmvpe-relu-after pm-floor-65 pm-voicing-0.45
pm-left-aligned fill-missing fill-held fill-log fill-ends fill-early transpose-missing transpose-twice transpose-sign
transpose-1.05946 hz-rounded hz-whole hz-late coarse-int32 coarse-truncated coarse-hertz-bounds coarse-255-steps
coarse-from-0 coarse-linear coarse-ceiling-1000 search-root search-exact search-reversed search-nearest
search-ids-from-1 search-exchanged search-one-late weights-1/d weights-root weights-k-7 weights-k-4 weights-uniform
weights-epsilon weights-over-frames mean-unweighted mean-next-row mean-half mean-late blend-exchanged blend-off
blend-0.7 blend-subtle upsample-linear upsample-tiled upsample-early protect-missing protect-exchanged protect-voiced
protect-late protect-amount protect-after-blend rmvpe-window-half rmvpe-bank-bfloat16 rmvpe-log-added
rmvpe-norm-epsilon rmvpe-gru-bfloat16 rmvpe-cents-20-to-12 rmvpe-fixed-6 fcpe-epsilon fcpe-cents-half fcpe-reach
fcpe-threshold crepe-undithered crepe-median harvest-unrefined pm-half track-later fill-float32 fill-seconds fill-text
fill-gaps-float32 hz-2-decimals hz-3-decimals hz-notes hz-half coarse-of-whole coarse-late search-half-distances
search-half-query search-quiet search-fixed search-expanded weights-1e-2 weights-sum-1e-9 weights-16-bit weights-half
mean-half-weights mean-16-bit-weights upsample-tail-fp24 mean-fixed-16 mean-fp24 blend-16-bit-rate blend-slider
blend-fp24 blend-fixed-16 protect-half-amount protect-12-bit protect-fp24 protect-fixed-16 hubert-layer-11
hubert-layer-9 hubert-v1-layer-12 hubert-v1-unprojected hubert-normalised hubert-gelu-tanh hubert-eps
hubert-position-early hubert-attention-scale hubert-late hubert-half hubert-short speaker-0 speaker-next enc-unscaled
enc-slope enc-eps enc-eps-subtle enc-gamma-beta enc-gelu enc-rel-reversed enc-rel-missing enc-rel-shifted
enc-rel-scaled enc-rel-last enc-heads enc-residual-twice enc-exchanged enc-pitch-next enc-no-pitch enc-late
flow-flip-after flow-no-flip flow-forward-order flow-three flow-one-condition flow-gates flow-added flow-half
flow-subtle flow-click flow-unconditioned prior-1.5 prior-two-thirds prior-0.667 prior-twice prior-no-noise
prior-no-exp prior-variance prior-noise-late source-phase-early source-linear source-float32-phase source-cosine
source-noise-0.0031 source-noise-missing source-amplitude source-unmuted source-no-tanh source-bare source-late
gen-slope gen-slope-subtle gen-last-slope gen-no-tanh gen-clipped gen-polarity gen-gain gen-late gen-no-source
gen-unconditioned gen-summed gen-up-shifted gen-noise-shifted gen-up-unbiased gen-two-blocks gen-brain gen-half-out
gen-up-late hubert-bfloat16-layer hubert-short-norms hubert-short-position hubert-tf32 hubert-eps-1e-4
hubert-attention-fine hubert-tf32-out enc-eps-1e-6 enc-sqrt-digits enc-scale-digits enc-short-pitch enc-short-distance
enc-short-norms enc-half-attention enc-slope-0.101 enc-m-half enc-logs-half enc-logs-clamped prior-0.6667 prior-0.66667
prior-fp24 prior-half-scale prior-half-noise prior-half-m prior-clamped flow-fp24 flow-short-speaker flow-short-bias
flow-half-gates flow-tanh-fine source-noise-0.00301 source-short-linear source-half source-short-noise source-16-bit
gen-half-latent gen-short-speaker gen-half-source gen-short-biases gen-last-slope-0.011 gen-16-bit live-kernel-half
live-in-16-bit live-in-32767 live-in-half live-in-late live-ring-stale live-gate-off live-gate-later live-gate-power
live-denoise-spread live-skip-head-late live-skip-head-early live-skip-head-whole live-content-late live-content-half
live-content-fixed-12 live-content-fixed-14 live-content-fixed-16 live-content-fp24 live-content-fixed-10
live-cache-unshifted live-cache-late live-first-4 live-last-2 live-hz-2-decimals live-hz-half live-hz-1.05946
live-hz-3-decimals live-coarse-cut live-flow-head live-dec-head live-source-head live-formant-longer live-formant-pitch
live-formant-half live-formant-16-bit live-formant-gain live-formant-unplayed live-mix-floor live-mix-exchanged
live-mix-root live-infer-half live-infer-gain live-infer-16-bit live-sola-late live-sola-half live-sola-fixed-16
live-sola-quiet live-sola-unrooted live-sola-gain live-ramp-open live-ramp-linear live-ramp-half live-denoise-out
live-out-half live-out-16-bit live-out-gain live-held-early live-vocoder-off live-noise-late live-hubert-gelu-tanh
live-hubert-bfloat16-layer live-hubert-tf32-out live-hubert-short-norms live-hubert-late live-search-half-distances
live-search-exchanged live-weights-1/d live-weights-sum-1e-9 live-weights-16-bit live-mean-fp24 live-blend-16-bit-rate
live-speaker-fixed-14 live-speaker-fixed-12 live-speaker-text live-enc-eps-1e-6 live-enc-short-pitch live-enc-m-half
live-enc-logs-half live-enc-gelu live-prior-two-thirds live-prior-0.6667 live-prior-half-noise live-prior-0.66667
live-prior-fp24 live-flow-fp24 live-flow-short-bias live-flow-short-speaker live-flow-flip-after
live-source-noise-0.00301 live-source-half live-source-short-linear live-source-phase-early live-gen-half-latent
live-gen-half-source live-gen-gain live-gen-last-slope
"""
REPORT_ORDER = tuple(_NAMES.split())
