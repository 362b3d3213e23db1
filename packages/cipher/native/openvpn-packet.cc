#include "openvpn-packet.h"

namespace culvert {
namespace {

void MakeNonce(const OpenvpnKey& key, const uint8_t* packet_id, uint8_t* nonce) {
  memcpy(nonce, packet_id, kPacketId);
  memcpy(nonce + kPacketId, key.implicit_iv, kImplicitIv);
}

}  // namespace

EVP_CIPHER_CTX* OpenvpnKey::Keyed(EVP_CIPHER_CTX** context, int encrypt) {
  if (*context != nullptr) return *context;
  EVP_CIPHER_CTX* made = EVP_CIPHER_CTX_new();
  if (made == nullptr) return nullptr;
  if (EVP_CipherInit_ex(made, cipher, nullptr, key, nullptr, encrypt) != 1) {
    EVP_CIPHER_CTX_free(made);
    return nullptr;
  }
  return *context = made;
}

bool SealPacket(const OpenvpnKey& key, EVP_CIPHER_CTX* context, uint32_t header, uint32_t packet_id, const uint8_t* plain,
                size_t length, uint8_t* datagram) {
  if (key.header == 4) {
    PutU32(datagram, header);
  } else {
    datagram[0] = static_cast<uint8_t>(header);
  }
  uint8_t* id = datagram + key.header;
  PutU32(id, packet_id);
  uint8_t nonce[kNonce];
  MakeNonce(key, id, nonce);
  uint8_t* tag = datagram + key.Prefix();
  uint8_t* sealed = tag + kTag;
  int written = 0;
  return EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_EncryptUpdate(context, nullptr, &written, key.Ad(datagram), static_cast<int>(key.AdLength())) == 1 &&
         EVP_EncryptUpdate(context, sealed, &written, plain, static_cast<int>(length)) == 1 &&
         EVP_EncryptFinal_ex(context, sealed + length, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, tag) == 1;
}

bool OpenPacket(const OpenvpnKey& key, EVP_CIPHER_CTX* context, const uint8_t* datagram, size_t length, uint8_t* plain) {
  uint8_t nonce[kNonce];
  MakeNonce(key, datagram + key.header, nonce);
  uint8_t tag[kTag];
  memcpy(tag, datagram + key.Prefix(), kTag);
  const uint8_t* sealed = datagram + key.Overhead();
  const int size = static_cast<int>(length - key.Overhead());
  int written = 0;
  return EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, tag) == 1 &&
         EVP_DecryptUpdate(context, nullptr, &written, key.Ad(datagram), static_cast<int>(key.AdLength())) == 1 &&
         (size == 0 || EVP_DecryptUpdate(context, plain, &written, sealed, size) == 1) &&
         EVP_DecryptFinal_ex(context, plain + size, &written) == 1;
}

}  // namespace culvert
