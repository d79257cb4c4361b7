"""Signal processing for realtime blocks: gate, noise reduction, loudness, formant shift, SOLA."""
