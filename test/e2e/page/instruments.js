// Runs before the page's own scripts and notes what the browser itself does,
// behind the SDK's back: every message on every data channel, every frame that
// the browser says it presented, every join.
(() => {
  const log = { raw: [], presented: [], posts: [], elements: 0 };
  window.instruments = log;

  const create = RTCPeerConnection.prototype.createDataChannel;
  let connections = 0;
  const numbers = new WeakMap();
  RTCPeerConnection.prototype.createDataChannel = function (label, init) {
    if (!numbers.has(this)) numbers.set(this, ++connections);
    const pc = numbers.get(this);
    const channel = create.call(this, label, init);
    channel.addEventListener("message", ({ data }) => {
      const at = performance.now();
      if (typeof data !== "string") return;
      const m = JSON.parse(data);
      const entry = { at, pc, label, type: m.type };
      if (m.type === "snapshot") Object.assign(entry, { part: m.part, parts: m.parts, body: m.body });
      if (m.type === "event") Object.assign(entry, { seq: m.seq, log: m.log, id: m.id, kind: m.kind, ts: m.ts, epoch: m.epoch });
      if (m.type === "clock") entry.ts = m.ts;
      if (m.type === "notice") entry.code = m.code;
      log.raw.push(entry);
    });
    return channel;
  };

  const request = HTMLVideoElement.prototype.requestVideoFrameCallback;
  const watched = new WeakSet();
  const watch = (video, number) => {
    const next = (_, meta) => {
      log.presented.push({
        at: performance.now(), rtp: meta.rtpTimestamp, count: meta.presentedFrames, element: number,
        display: meta.expectedDisplayTime, received: meta.receiveTime,
      });
      request.call(video, next);
    };
    request.call(video, next);
  };
  HTMLVideoElement.prototype.requestVideoFrameCallback = function (callback) {
    if (!watched.has(this)) {
      watched.add(this);
      watch(this, ++log.elements);
    }
    return request.call(this, callback);
  };

  // Every picture is read back: where that is not expected it takes so long that the
  // browser leaves frames out.
  const context = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    return context.call(this, kind, { ...options, willReadFrequently: true });
  };

  const fetched = window.fetch;
  window.fetch = function (input, init) {
    const method = init?.method ?? "GET";
    if (method === "POST") log.posts.push({ at: performance.now(), wall: Date.now(), url: String(input?.url ?? input) });
    return fetched.call(this, input, init);
  };
})();
