import { CHANNELS, type ChannelName } from "../core/wire.js";
import type { Pictures } from "./pictures.js";

/** What a link tells, until it is closed. */
export interface LinkHandlers {
  message(text: string, channel: ChannelName): void;
  /** A channel was closed by the other side. */
  closed(reason: string): void;
}

/** One connection to the relay: its negotiated channels, and its pictures. */
export class Link {
  private readonly channels = new Map<ChannelName, RTCDataChannel>();

  /** Makes the channels, before the connection's offer. */
  constructor(readonly pc: RTCPeerConnection, readonly pictures: Pictures, handlers: LinkHandlers) {
    pictures.connect(pc);
    for (const name of Object.keys(CHANNELS) as ChannelName[]) {
      const { label, ...init } = CHANNELS[name];
      const channel = pc.createDataChannel(label, { ...init, negotiated: true });
      this.channels.set(name, channel);
      const ours = () => this.channels.get(name) === channel;
      channel.onmessage = (m: MessageEvent<unknown>) => {
        if (ours() && typeof m.data === "string") handlers.message(m.data, name);
      };
      channel.onclose = () => {
        if (ours()) handlers.closed(`${label} was closed`);
      };
    }
  }

  /** Whether something can be said to the relay. */
  get open(): boolean {
    return this.channels.get("actions")?.readyState === "open";
  }

  /** Says something to the relay. False if the channel is not open. */
  send(text: string): boolean {
    const actions = this.channels.get("actions");
    if (actions?.readyState !== "open") return false;
    actions.send(text);
    return true;
  }

  /** Lets go of the connection; the picture stays. */
  close(): void {
    const channels = [...this.channels.values()];
    this.channels.clear();
    for (const c of channels) c.close();
    this.pictures.disconnect();
  }
}
