// libFuzzer target for the native core: cutting, joining, sealing and opening of trains. See `run` beside it.
//
// Held to, besides the sanitizers: a source is left as it was, batches stay in their bounds, and joining and cutting again
// gives the same packets.
#include "packets.h"
#include "replay-window.h"

using namespace culvert;

namespace {

OpenvpnKey* TheKey() {
  static OpenvpnKey* const key = [] {
    auto* made = new OpenvpnKey;
    const uint8_t bytes[16] = {};
    made->aead.Init(AeadCipher::kAes128Gcm, BestAesGcmEngine(), bytes);
    made->header = 4;
    return made;
  }();
  return key;
}

void CutMalformed(Input* in, Flow* flows) {
  const Packet packet = ReadPacket(in, flows);
  Owned src = BatchOf({packet}, {ReadVirtio(in)}, kVirtio);
  const std::vector<uint8_t> before = src.arena;
  Owned dst(in->U8(), in->U16());
  Call call = CallOf(&src, &dst);
  Check(SegmentTrains(&call) >= 0);
  Check(call.cursor.count <= dst.offsets.size() && call.cursor.used <= dst.arena.size());
  Owned sealed(in->U8(), in->U16());
  Call seal = CallOf(&src, &sealed);
  Check(SealTrains(TheKey(), &seal, 7, 1) >= 0);
  Check(src.arena == before);
}

void JoinAndCut(Input* in, Flow* flows, bool protect) {
  const uint32_t join = in->U8() & 15;
  const size_t spare = in->U16() * 4;
  std::vector<Packet> packets;
  while (!in->IsEmpty() && packets.size() < 64) packets.push_back(ReadPacket(in, flows));
  Owned src = BatchOf(packets, {}, 0);
  Owned joined(packets.size(), src.arena.size() + kVirtio * packets.size() + spare);
  size_t trains = 0;
  if (protect) {
    Owned datagrams(packets.size(), src.arena.size() + 24 * packets.size());
    Call seal = CallOf(&src, &datagrams);
    Check(Seal(TheKey(), &seal, 7, 1) == static_cast<int32_t>(packets.size()));
    std::vector<uint32_t> window(6);
    window[1] = 96;
    Call open = CallOf(&datagrams, &joined);
    open.last = seal.cursor.count;
    OpenReport report = {};
    const int32_t next = OpenTrain(TheKey(), &open, {window.data(), window.size()}, kVirtio, join, &report);
    Check(next == static_cast<int32_t>(seal.cursor.count) && report.accepted == seal.cursor.count);
    trains = open.cursor.count;
  } else {
    Call call = CallOf(&src, &joined);
    Check(JoinTrains(&call, kVirtio, join) == static_cast<int32_t>(packets.size()));
    trains = call.cursor.count;
  }
  Owned back(packets.size(), src.arena.size());
  Call cut = CallOf(&joined, &back);
  cut.last = trains;
  Check(SegmentTrains(&cut) == static_cast<int32_t>(trains));
  Check(cut.skipped.malformed == 0 && cut.skipped.oversized == 0);
  Check(Contents(src, packets.size()) == Contents(back, cut.cursor.count));
}

// Little room: the call stops somewhere, in its bounds.
void JoinInLittleRoom(Input* in, Flow* flows) {
  const uint32_t join = in->U8() & 15;
  Owned dst(in->U8() & 31, in->U16() & 0x1fff);
  std::vector<Packet> packets;
  while (!in->IsEmpty() && packets.size() < 64) packets.push_back(ReadPacket(in, flows));
  Owned src = BatchOf(packets, {}, 0);
  Call call = CallOf(&src, &dst);
  Check(JoinTrains(&call, kVirtio, join) >= 0);
  Check(call.cursor.count <= dst.offsets.size() && call.cursor.used <= dst.arena.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  Flow flows[4];
  switch (in.U8() & 3) {
    case 0: CutMalformed(&in, flows); break;
    case 1: JoinAndCut(&in, flows, false); break;
    case 2: JoinAndCut(&in, flows, true); break;
    default: JoinInLittleRoom(&in, flows); break;
  }
  return 0;
}
