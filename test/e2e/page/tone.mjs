/** Notes the loudest tone below 1 kHz of a stream's sound in a list, four times a second. */
export function tones(stream, list) {
  const context = new AudioContext({ sampleRate: 48000 });
  const analyser = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(analyser);
  const spectrum = new Float32Array(analyser.frequencyBinCount);
  setInterval(() => {
    analyser.getFloatFrequencyData(spectrum);
    list.push({ at: performance.now(), ...peak(spectrum, 48000 / 16384) });
  }, 250);
}

/** The loudest tone below 1 kHz, by parabolic interpolation between bins. */
function peak(spectrum, width) {
  let best = 1;
  for (let i = 2; i * width < 1000; i++) if (spectrum[i] > spectrum[best]) best = i;
  const [a, b, c] = [spectrum[best - 1], spectrum[best], spectrum[best + 1]];
  const shift = a + c === 2 * b ? 0 : (a - c) / (2 * (a - 2 * b + c));
  return { hz: (best + shift) * width, db: b };
}
