// libFuzzer target for MPPE in trains: packets that are sealed, lost, damaged and opened again. See `run` beside it.
//
// Held to, besides the sanitizers: a source is left as it was, batches stay in their bounds, every packet is counted once, and
// what nobody damaged or lost comes out as it went in.
#include "mppe-batch.h"
#include "packets.h"

using namespace culvert;

namespace {

constexpr uint8_t kStart[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr uint32_t kStrengths[] = {128, 56, 40, 128};

void Packets(Input* in, const MppeFraming& framing, uint32_t strength, uint8_t choice) {
  const uint32_t join = in->U8() & 15;
  const bool little = (choice & 1) != 0;
  const size_t slots = in->U8(), room = in->U16();
  Input changes = *in;
  const std::vector<Packet> packets = ReadPackets(in);
  Owned src = BatchOf(packets, {}, 0);
  Owned frames(packets.size(), src.arena.size() + framing.Overhead() * packets.size());
  MppeKey sealing(strength, kStart), opening(strength, kStart);
  Call seal = CallOf(&src, &frames);
  Check(SealMppe(&sealing, framing, &seal) == static_cast<int32_t>(packets.size()));
  const size_t count = seal.cursor.count;
  // Behind the carrier's header.
  for (size_t i = 0; i < count; i++) {
    frames.offsets[i] += static_cast<uint32_t>(framing.headroom);
    frames.lengths[i] -= static_cast<uint32_t>(framing.headroom);
  }
  const size_t lost = (choice & 2) != 0 && count > 0 ? changes.U8() % count : 0;
  const size_t damaged = (choice & 4) != 0 ? Damage(&changes, &frames, count) : 0;
  const std::vector<uint8_t> before = frames.arena;
  Owned joined(little ? slots & 31 : packets.size(), little ? room & 0x1fff : src.arena.size() + kVirtio * packets.size() + 96);
  Call call = CallOf(&frames, &joined);
  call.first = lost;
  call.last = count;
  MppeReport report = {};
  const int32_t next = OpenMppeTrain(&opening, &call, kVirtio, join, &report);
  Check(next >= static_cast<int32_t>(lost) && next <= static_cast<int32_t>(count));
  Check(report.accepted + report.unencrypted + report.late + report.garbled == static_cast<uint32_t>(next) - lost);
  Check(call.cursor.count <= joined.offsets.size() && call.cursor.used <= joined.arena.size());
  Check(frames.arena == before);
  if (damaged != 0 || little || lost != 0 || report.garbled != 0) return;
  Check(next == static_cast<int32_t>(count) && report.accepted == count);
}

// Frames of any bytes, and a count that the input chooses.
void Frames(Input* in, uint32_t strength) {
  const uint32_t join = in->U8() & 15;
  std::vector<Packet> packets;
  while (!in->IsEmpty() && packets.size() < 64) {
    Packet packet(in->U8());
    const uint8_t shape = in->U8();
    for (uint8_t& byte : packet) byte = in->U8();
    if ((shape & 1) != 0 && packet.size() > 6) {
      packet[0] = 0xff;
      packet[1] = 0x03;
      packet[2] = 0x00;
      packet[3] = 0xfd;
      packet[4] = static_cast<uint8_t>(0x90 | (packet[4] & 0x0f));
    }
    packets.push_back(packet);
  }
  Owned src = BatchOf(packets, {}, 0);
  Owned joined(packets.size(), src.arena.size() + kVirtio * packets.size());
  MppeKey opening(strength, kStart);
  Call call = CallOf(&src, &joined);
  MppeReport report = {};
  Check(OpenMppeTrain(&opening, &call, kVirtio, join, &report) >= 0);
  Check(call.cursor.count <= joined.offsets.size() && call.cursor.used <= joined.arena.size());
}

// Super-packets with virtio headers of any bytes.
void Trains(Input* in, const MppeFraming& framing, uint32_t strength) {
  Flow flows[4];
  const Packet packet = ReadPacket(in, flows);
  Owned src = BatchOf({packet}, {ReadVirtio(in)}, kVirtio);
  const std::vector<uint8_t> before = src.arena;
  Owned frames(in->U8(), in->U16());
  MppeKey sealing(strength, kStart);
  Call call = CallOf(&src, &frames);
  Check(SealMppeTrains(&sealing, framing, &call) >= 0);
  Check(call.cursor.count <= frames.offsets.size() && call.cursor.used <= frames.arena.size());
  Check(src.arena == before);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  const uint8_t what = in.U8(), choice = in.U8();
  const uint32_t strength = kStrengths[what >> 6];
  MppeFraming framing;
  framing.headroom = (what >> 2) & 3 ? 16 : 0;
  framing.acfc = (what & 16) != 0;
  framing.pfc = (what & 32) != 0;
  switch (what & 3) {
    case 0: Frames(&in, strength); break;
    case 1: Trains(&in, framing, strength); break;
    default: Packets(&in, framing, strength, choice); break;
  }
  return 0;
}
