// libFuzzer target for ESP in trains: packets that are sealed, damaged and opened again, and payloads of any bytes inside a right
// ICV, as a peer that holds the key may send them. See `run` beside it.
//
// Held to, besides the sanitizers: a source is left as it was, batches stay in their bounds, every packet is counted once, what
// was opened is not opened again, and what nobody damaged comes out as it went in.
#include "esp-batch.h"
#include "packets.h"

using namespace culvert;

namespace {

constexpr uint8_t kUdp = 17;

// As src/esp/framing.ts makes it for L2TP: UDP 8, L2TP 6, PPP 4; the length of UDP counts from its start.
constexpr uint8_t kForm[] = {18, 17, 1, 4, 0,                                                     //
                             0x06, 0xa5, 0x06, 0xa5, 0, 0, 0, 0, 0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0,  //
                             0xff, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};

std::unique_ptr<EspKey> KeyOf(uint8_t choice) {
  static const uint8_t bytes[64] = {};
  auto key = std::make_unique<EspKey>();
  key->spi = 0x1234;
  key->esn = (choice & 4) != 0;
  switch (choice & 3) {
    case 0: Check(key->InitGcm(BestAesGcmEngine(), bytes, 36)); break;
    case 1: Check(key->InitGcm(BestAesGcmEngine(), bytes, 20)); break;
    case 2: Check(key->InitCbc(EspEncryption::kAesCbc, bytes, 32, 1, bytes, 32)); break;
    default: Check(key->InitCbc(EspEncryption::kTripleDesCbc, bytes, 24, 0, bytes, 20)); break;
  }
  return key;
}

struct Window {
  std::vector<uint32_t> words;
  explicit Window(bool esn) : words(4 + 64) {
    words[2] = 1024;
    words[3] = esn ? 1 : 0;
  }
  EspWindow Lend() { return EspWindow({words.data(), words.size()}); }
};

uint32_t Counted(const EspReport& r) {
  return r.accepted + r.failed + r.replayed + r.malformed + r.padding + r.next_header + r.dummy;
}

// Opens all of it, and checks the bounds. Returns how many packets were consumed.
size_t Open(EspKey* key, Owned* datagrams, size_t count, Window* window, Owned* joined, Owned* others, uint32_t join, EspReport* report,
            size_t* trains) {
  const EspFraming framing({const_cast<uint8_t*>(kForm), sizeof(kForm)});
  Check(framing.IsValid());
  const std::vector<uint8_t> before = datagrams->arena;
  Call call = CallOf(datagrams, joined);
  call.last = count;
  Cursor beside;
  const int32_t next =
      OpenFramedEsp(key, &call, others->Lend(), &beside, window->Lend(), kUdp, framing, kVirtio, join, report);
  Check(next >= 0 && static_cast<size_t>(next) <= count && Counted(*report) == static_cast<uint32_t>(next));
  Check(call.cursor.count <= joined->offsets.size() && call.cursor.used <= joined->arena.size());
  Check(beside.count <= others->offsets.size() && beside.used <= others->arena.size() && beside.count == report->others);
  Check(datagrams->arena == before);
  *trains = call.cursor.count;
  return static_cast<size_t>(next);
}

void Packets(Input* in) {
  const uint8_t choice = in->U8();
  const uint32_t join = in->U8() & 15;
  const bool little = (choice & 8) != 0;
  const size_t slots = in->U8(), room = in->U16();
  const auto key = KeyOf(choice);
  Window window(key->esn);
  Input changes = *in;
  const std::vector<Packet> packets = ReadPackets(in);
  Owned src = BatchOf(packets, {}, 0);
  const size_t bytes = src.arena.size();
  Owned datagrams(packets.size(), bytes + 96 * packets.size());
  Call seal = CallOf(&src, &datagrams);
  const EspFraming framing({const_cast<uint8_t*>(kForm), sizeof(kForm)});
  Check(SealFramedEsp(key.get(), &seal, false, 1, kUdp, framing) == static_cast<int32_t>(packets.size()));
  const size_t count = seal.cursor.count;
  const size_t damaged = (choice & 16) != 0 ? Damage(&changes, &datagrams, count) : 0;
  Owned joined(little ? slots & 31 : packets.size(), little ? room & 0x1fff : bytes + kVirtio * packets.size() + 96);
  Owned others(packets.size(), bytes + 96 * packets.size());
  EspReport report = {};
  size_t trains = 0;
  const size_t next = Open(key.get(), &datagrams, count, &window, &joined, &others, join, &report, &trains);
  if (damaged == 0 && !little) {
    Check(next == count && report.accepted == count);
    EspReport again = {};
    Owned none(packets.size(), joined.arena.size());
    size_t no_trains = 0;
    Check(Open(key.get(), &datagrams, count, &window, &none, &others, join, &again, &no_trains) == count);
    Check(again.replayed == count && no_trains == 0);
  }
}

// Any payload, padding and next header, sealed one by one: what is behind the ICV is hostile too.
void Payloads(Input* in) {
  const uint8_t choice = in->U8();
  const uint32_t join = in->U8() & 15;
  const auto key = KeyOf(choice);
  Window window(key->esn);
  Owned datagrams(16, 16 * 512);
  size_t count = 0, used = 0;
  for (; !in->IsEmpty() && count < 16; count++) {
    const uint8_t shape = in->U8(), length = in->U8();
    const uint8_t next_header = (shape & 1) != 0 ? kUdp : in->U8();
    const size_t total = key->Head() + key->Padded(length) + key->Icv();
    uint8_t* packet = datagrams.arena.data() + used;
    uint8_t* payload = packet + key->Head();
    // The headers are right, but for those that the input changes; a packet that is none may follow.
    for (size_t i = 0; i < length; i++) payload[i] = i < 18 && (shape & 2) != 0 ? kForm[5 + i] : in->U8();
    if ((shape & 2) != 0 && length > 18) {
      PutU16(payload + 4, length);
      payload[17] = (shape & 4) != 0 ? 0x21 : 0x57;
    }
    const uint64_t sequence = (shape & 8) != 0 ? uint64_t{in->U16()} << ((shape & 16) != 0 ? 16 : 0) : count + 1;
    Check(key->Seal(sequence, next_header, length, packet));
    datagrams.offsets[count] = static_cast<uint32_t>(used);
    datagrams.lengths[count] = static_cast<uint32_t>(total);
    used += total;
  }
  Owned joined(16, 16 * 512), others(16, 16 * 512);
  EspReport report = {};
  size_t trains = 0;
  Check(Open(key.get(), &datagrams, count, &window, &joined, &others, join, &report, &trains) == count);
}

// A framing of any bytes is refused or used in its bounds.
void Framings(Input* in) {
  std::vector<uint8_t> form(in->U8()), payload(in->U8());
  for (uint8_t& byte : form) byte = in->U8();
  for (uint8_t& byte : payload) byte = in->U8();
  const EspFraming framing({form.data(), form.size()});
  if (!framing.IsValid()) return;
  framing.Matches(payload.data(), payload.size());
  std::vector<uint8_t> written(framing.Size());
  framing.Write(written.data(), payload.size(), 0x21);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  switch (in.U8() & 3) {
    case 0: Payloads(&in); break;
    case 1: Framings(&in); break;
    default: Packets(&in); break;
  }
  return 0;
}
