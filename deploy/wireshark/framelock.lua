-- Shows Framelock's marker header extension (docs/protocol.md, section 3) in
-- Wireshark and tshark, 4.0 or later. How to get a capture: docs/wireshark.md.

local framelock = Proto("framelock", "Framelock marker")

framelock.prefs.id = Pref.uint("Header extension id", 0,
  "The id of the extension in the session's SDP (a=extmap), 1 to 14; 0 takes whatever looks like one")

local kinds = {
  [0] = "heartbeat", [1] = "marker", [2] = "state", [3] = "window.open", [4] = "window.closing",
  [5] = "window.close", [6] = "outcome", [7] = "void", [8] = "frame_hash", [9] = "recovered", [10] = "notice",
}

local f = {
  version = ProtoField.uint8("framelock.version", "Version", base.DEC, nil, 0xc0),
  late = ProtoField.bool("framelock.late", "Late: ref_ts is older than this frame", 8, nil, 0x20),
  again = ProtoField.bool("framelock.repeat", "Repeat", 8, nil, 0x10),
  more = ProtoField.bool("framelock.more", "More events on the same frame", 8, nil, 0x08),
  void = ProtoField.bool("framelock.void", "Voids or corrects another event", 8, nil, 0x04),
  reserved = ProtoField.uint8("framelock.reserved", "Reserved", base.DEC, nil, 0x03),
  kind = ProtoField.uint8("framelock.kind", "Kind", base.DEC, kinds),
  epoch = ProtoField.uint16("framelock.epoch", "Epoch (low 16 bits)", base.DEC),
  seq = ProtoField.uint32("framelock.seq", "Event seq (low 32 bits)", base.DEC),
  ref_ts = ProtoField.uint32("framelock.ref_ts", "Frame that the event is on (low 32 bits of ts)", base.DEC),
  digest = ProtoField.bytes("framelock.digest", "Digest (first 4 bytes of the leaf hash)", base.NONE),
}
framelock.fields = f

local unknown_kind = ProtoExpert.new("framelock.kind.unknown", "Kind that this dissector does not know",
  expert.group.UNDECODED, expert.severity.WARN)
local late = ProtoExpert.new("framelock.late.note", "The event's frame had left before the event came",
  expert.group.SEQUENCE, expert.severity.NOTE)
framelock.experts = { unknown_kind, late }

-- accepts reports whether the bytes are a marker: version 1, and 8 bytes if and
-- only if it is a heartbeat.
local function accepts(b)
  if b:len() ~= 8 and b:len() ~= 16 then return false end
  if math.floor(b(0, 1):uint() / 64) ~= 1 then return false end
  return (b(1, 1):uint() == 0) == (b:len() == 8)
end

function framelock.dissector(b, packet, tree)
  if not accepts(b) then return 0 end
  local kind, seq = b(1, 1):uint(), b(4, 4):uint()
  local name = kinds[kind] or ("kind " .. kind)
  local t = tree:add(framelock, b(), string.format("Framelock %s, seq %d", name, seq))
  for _, flag in ipairs({ f.version, f.late, f.again, f.more, f.void, f.reserved }) do t:add(flag, b(0, 1)) end
  local shown = t:add(f.kind, b(1, 1))
  if not kinds[kind] then shown:add_proto_expert_info(unknown_kind) end
  t:add(f.epoch, b(2, 2))
  t:add(f.seq, b(4, 4))
  if b:len() == 16 then
    t:add(f.ref_ts, b(8, 4))
    t:add(f.digest, b(12, 4))
    if math.floor(b(0, 1):uint() / 32) % 2 == 1 then t:add_proto_expert_info(late) end
    packet.cols.info:append(string.format(" [%s %d]", name, seq))
  end
  return b:len()
end

local extensions = DissectorTable.get("rtp.ext.rfc5285.id")

local function register()
  for id = 1, 14 do extensions:remove(id, framelock) end
  local only = framelock.prefs.id
  for id = 1, 14 do
    if only == 0 or only == id then extensions:add(id, framelock) end
  end
end

framelock.prefs_changed = register
register()
