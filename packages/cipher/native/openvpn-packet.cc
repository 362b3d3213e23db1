#include "openvpn-packet.h"

namespace culvert {
namespace {

void MakeNonce(const OpenvpnKey& key, const uint8_t* packet_id, uint8_t* nonce) {
  memcpy(nonce, packet_id, kPacketId);
  memcpy(nonce + kPacketId, key.implicit_iv, kImplicitIv);
}

}  // namespace

bool SealPacket(OpenvpnKey* key, uint32_t header, uint32_t packet_id, const uint8_t* plain, size_t length, uint8_t* datagram) {
  if (key->header == 4) {
    PutU32(datagram, header);
  } else {
    datagram[0] = static_cast<uint8_t>(header);
  }
  uint8_t* id = datagram + key->header;
  PutU32(id, packet_id);
  uint8_t nonce[kAeadNonce];
  MakeNonce(*key, id, nonce);
  uint8_t* tag = datagram + key->Prefix();
  return key->aead.Seal(nonce, key->Ad(datagram), key->AdLength(), plain, length, tag + kTag, tag);
}

bool OpenPacket(OpenvpnKey* key, const uint8_t* datagram, size_t length, uint8_t* plain) {
  uint8_t nonce[kAeadNonce];
  MakeNonce(*key, datagram + key->header, nonce);
  return key->aead.Open(nonce, key->Ad(datagram), key->AdLength(), datagram + key->Overhead(), length - key->Overhead(),
                        datagram + key->Prefix(), plain);
}

}  // namespace culvert
