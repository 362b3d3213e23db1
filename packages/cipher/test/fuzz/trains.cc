// libFuzzer target for the native core: cutting, joining, sealing and opening of trains. See `run` beside it.
//
// Held to, besides the sanitizers: a source is left as it was, batches stay in their bounds, joining and cutting again gives the same
// packets, a batch opens what its datagrams do one by one, nothing is opened twice, and nothing is left of what was not accepted.
#include "packets.h"
#include "replay-window.h"

using namespace culvert;

namespace {

// | 2 bits cipher | 1 bit format | 2 bits engine, of which the last is OpenSSL |
OpenvpnKey* KeyOf(uint8_t choice) {
  static OpenvpnKey keys[32];
  OpenvpnKey* key = &keys[choice & 31];
  if (key->header != 0) return key;
  const int engine = (choice >> 3) & 3;
  const bool ours = engine < kAesGcmEngines && IsSupported(engine) && IsRight(engine);
  const uint8_t bytes[kAeadMaxKey] = {};
  static const AeadCipher ciphers[] = {AeadCipher::kAes256Gcm, AeadCipher::kAes128Gcm, AeadCipher::kChacha20Poly1305,
                                       AeadCipher::kAes128Gcm};
  const AeadCipher cipher = ciphers[choice & 3];
  key->aead.Init(cipher, ours && cipher != AeadCipher::kChacha20Poly1305 ? AesGcmEngineAt(engine) : nullptr, bytes);
  key->header = (choice & 4) != 0 ? 1 : 4;
  return key;
}

void CutMalformed(Input* in, Flow* flows) {
  OpenvpnKey* key = KeyOf(in->U8());
  const Packet packet = ReadPacket(in, flows);
  Owned src = BatchOf({packet}, {ReadVirtio(in)}, kVirtio);
  const std::vector<uint8_t> before = src.arena;
  Owned dst(in->U8(), in->U16());
  Call call = CallOf(&src, &dst);
  Check(SegmentTrains(&call) >= 0);
  Check(call.cursor.count <= dst.offsets.size() && call.cursor.used <= dst.arena.size());
  Owned sealed(in->U8(), in->U16());
  Call seal = CallOf(&src, &sealed);
  Check(SealTrains(key, &seal, 7, 1) >= 0);
  Check(seal.cursor.count <= sealed.offsets.size() && seal.cursor.used <= sealed.arena.size());
  Check(src.arena == before);
}

void CutAgain(const std::vector<Packet>& packets, Owned* joined, size_t trains) {
  size_t bytes = 0;
  for (const Packet& packet : packets) bytes += packet.size();
  Owned back(packets.size(), bytes);
  Call cut = CallOf(joined, &back);
  cut.last = trains;
  Check(SegmentTrains(&cut) == static_cast<int32_t>(trains));
  Check(cut.skipped.malformed == 0 && cut.skipped.oversized == 0);
  const bool renumbered = SharesIdentifications(packets);
  Check(Contents(packets, renumbered) == Contents(PacketsOf(back, cut.cursor.count), renumbered));
}

void JoinAndCut(Input* in, Flow* flows) {
  const uint32_t join = in->U8() & 15;
  const size_t spare = in->U16() * 4;
  std::vector<Packet> packets;
  while (!in->IsEmpty() && packets.size() < 64) packets.push_back(ReadPacket(in, flows));
  Owned src = BatchOf(packets, {}, 0);
  Owned joined(packets.size(), src.arena.size() + kVirtio * packets.size() + spare);
  Call call = CallOf(&src, &joined);
  Check(JoinTrains(&call, kVirtio, join) == static_cast<int32_t>(packets.size()));
  CutAgain(packets, &joined, call.cursor.count);
}

// Opens `datagrams`, and checks the bounds. Returns how many were consumed.
size_t OpenAll(OpenvpnKey* key, Owned* datagrams, size_t count, std::vector<uint32_t>* window, uint32_t join, Owned* joined,
               OpenReport* report, size_t* trains) {
  const std::vector<uint8_t> before = datagrams->arena;
  Call open = CallOf(datagrams, joined);
  open.last = count;
  const int32_t next = OpenTrain(key, &open, {window->data(), window->size()}, kVirtio, join, report);
  Check(next >= 0 && static_cast<size_t>(next) <= count);
  Check(report->accepted + report->failed + report->replayed + report->too_short == static_cast<uint32_t>(next));
  Check(open.cursor.count <= joined->offsets.size() && open.cursor.used <= joined->arena.size());
  Check(datagrams->arena == before);
  *trains = open.cursor.count;
  return static_cast<size_t>(next);
}

// Datagrams in the place of others, so that they come twice.
void Replay(Input* in, Owned* datagrams, size_t count) {
  for (uint8_t n = in->U8() & 7; n > 0 && count > 0; n--) {
    const size_t at = in->U8() % count, from = in->U8() % count;
    datagrams->offsets[at] = datagrams->offsets[from];
    datagrams->lengths[at] = datagrams->lengths[from];
  }
}

// What is right and comes for the first time, as one datagram after the other is opened.
std::vector<Packet> FirstOfEach(OpenvpnKey* key, Owned* datagrams, size_t count, size_t* accepted) {
  Owned plain(datagrams->offsets.size(), datagrams->arena.size() + 64 * 1024);
  std::vector<Packet> first;
  std::set<uint32_t> seen;
  for (size_t at = 0; at < count; at++) {
    Call call = CallOf(datagrams, &plain);
    call.first = at;
    call.last = at + 1;
    Check(Open(key, &call) == static_cast<int32_t>(at + 1));
    if (plain.tags[0] == 0 || !seen.insert(plain.tags[0]).second) continue;
    first.push_back(PacketsOf(plain, 1)[0]);
  }
  *accepted = seen.size();
  return first;
}

// Sealed, damaged and replayed, and opened twice.
void SealAndOpen(Input* in, Flow* flows) {
  OpenvpnKey* key = KeyOf(in->U8());
  const uint8_t how = in->U8();
  const bool little = (how & 16) != 0;
  const uint32_t join = how & 15;
  const size_t slots = in->U8(), room = in->U16();
  Input changes = *in;
  std::vector<Packet> packets;
  while (!in->IsEmpty() && packets.size() < 64) packets.push_back(ReadPacket(in, flows));
  Owned src = BatchOf(packets, {}, 0);
  Owned datagrams(packets.size(), src.arena.size() + 24 * packets.size());
  Call seal = CallOf(&src, &datagrams);
  Check(Seal(key, &seal, 0x48000007, 1) == static_cast<int32_t>(packets.size()));
  const size_t count = seal.cursor.count;
  if ((how & 32) != 0) Damage(&changes, &datagrams, count);
  if ((how & 64) != 0) Replay(&changes, &datagrams, count);
  size_t accepted = 0;
  const std::vector<Packet> first = FirstOfEach(key, &datagrams, count, &accepted);

  std::vector<uint32_t> window(6);
  window[1] = 96;
  size_t bytes = kVirtio * count;
  for (size_t at = 0; at < count; at++) bytes += datagrams.lengths[at];
  Owned joined(little ? slots & 31 : count, little ? room & 0x1fff : bytes + room * 4);
  OpenReport report = {};
  size_t trains = 0;
  const size_t next = OpenAll(key, &datagrams, count, &window, join, &joined, &report, &trains);
  if (little) return;
  Check(next == count && report.accepted == accepted);
  CutAgain(first, &joined, trains);

  Owned none(count, bytes);
  OpenReport again = {};
  Check(OpenAll(key, &datagrams, count, &window, join, &none, &again, &trains) == count);
  Check(again.accepted == 0 && again.replayed == report.accepted + report.replayed && trains == 0);
  Check(std::all_of(none.arena.begin(), none.arena.end(), [](uint8_t byte) { return byte == 0; }));
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
    case 1: JoinAndCut(&in, flows); break;
    case 2: SealAndOpen(&in, flows); break;
    default: JoinInLittleRoom(&in, flows); break;
  }
  return 0;
}
