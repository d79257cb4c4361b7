"""F0: samples (L,) at 16 kHz → Hz every 10 ms, 0 where unvoiced.

`registry` lists the methods, `tracking` runs one, `postprocessing` turns its result into what the synthesizer takes.
"""
