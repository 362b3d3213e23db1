#include "aes-gcm.h"

#include <openssl/crypto.h>

#include <cstring>

#include "aes-gcm-engines.h"

namespace culvert {
namespace {

#if defined(__x86_64__)
const AesGcmEngine* const kEngines[kAesGcmEngines] = {&kAesGcmAvx512, &kAesGcmAvx2, &kAesGcmAesni};
#endif

bool AreEqual(const uint8_t* a, const uint8_t* b) {
  uint64_t x[2], y[2];
  memcpy(x, a, sizeof(x));
  memcpy(y, b, sizeof(y));
  return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

// The self-test's packet is long enough for every part of a pass: whole groups, a rest, and a second sum.
constexpr size_t kTestBytes = 2000;
constexpr size_t kTestAd = 13;
// Tags that OpenSSL computes of it, with keys of 16 and of 32 bytes.
constexpr uint8_t kTestTags[2][kGcmTag] = {
    {0x2d, 0x38, 0x6d, 0xd6, 0x9a, 0xbc, 0x7a, 0xa8, 0xbc, 0x88, 0x45, 0x7c, 0xda, 0xca, 0x79, 0xc0},
    {0x32, 0xa2, 0x89, 0xfe, 0xd4, 0xf9, 0x2d, 0xd0, 0x84, 0x24, 0xf4, 0x97, 0xb0, 0x70, 0x21, 0xc5},
};

struct TestPacket {
  uint8_t key[32], nonce[kGcmNonce], ad[kTestAd], plain[kTestBytes];

  TestPacket() {
    for (size_t i = 0; i < sizeof(key); i++) key[i] = static_cast<uint8_t>(i * 7 + 1);
    for (size_t i = 0; i < sizeof(nonce); i++) nonce[i] = static_cast<uint8_t>(i * 11 + 5);
    for (size_t i = 0; i < sizeof(ad); i++) ad[i] = static_cast<uint8_t>(i * 3 + 2);
    for (size_t i = 0; i < sizeof(plain); i++) plain[i] = static_cast<uint8_t>(i * 29 + (i >> 8));
  }
};

// What this processor has, and what of that computes wrongly: found out once.
struct Found {
  bool supported[kAesGcmEngines] = {};
  bool right[kAesGcmEngines] = {};

  Found() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    for (int i = 0; i < kAesGcmEngines; i++) {
      supported[i] = kEngines[i]->is_supported();
      right[i] = supported[i] && PassesSelfTest(*kEngines[i], -1);
    }
#endif
  }
};

const Found& TheFound() {
  static const Found found;
  return found;
}

}  // namespace

const AesGcmEngine* AesGcmEngineAt(int index) {
#if defined(__x86_64__)
  return kEngines[index];
#else
  static_cast<void>(index);
  return nullptr;
#endif
}

bool IsSupported(int index) { return TheFound().supported[index]; }
bool IsRight(int index) { return TheFound().right[index]; }

const AesGcmEngine* BestAesGcmEngine() {
  for (int i = 0; i < kAesGcmEngines; i++)
    if (IsRight(i)) return AesGcmEngineAt(i);
  return nullptr;
}

bool PassesSelfTest(const AesGcmEngine& engine, int flip) {
  const TestPacket packet;
  uint8_t sealed[kTestBytes], opened[kTestBytes];
  bool passes = true;
  for (int i = 0; i < 2; i++) {
    uint8_t expected[kGcmTag], tag[kGcmTag];
    memcpy(expected, kTestTags[i], kGcmTag);
    if (flip >= 0) expected[(flip / 8) % kGcmTag] ^= static_cast<uint8_t>(1 << flip % 8);
    AesGcm one;
    one.Init(engine, packet.key, i == 0 ? 16 : 32);
    one.Seal(packet.nonce, packet.ad, kTestAd, packet.plain, kTestBytes, sealed, tag);
    passes = passes && AreEqual(tag, expected);
    passes = passes && one.Open(packet.nonce, packet.ad, kTestAd, sealed, kTestBytes, expected, opened);
    passes = passes && memcmp(opened, packet.plain, kTestBytes) == 0;
  }
  return passes;
}

void AesGcm::Init(const AesGcmEngine& engine, const uint8_t* key, size_t length) {
  engine.expand(key, length, &tables_);
  seal_ = length == 16 ? engine.seal128 : engine.seal256;
  open_ = length == 16 ? engine.open128 : engine.open256;
}

void AesGcm::Wipe() { OPENSSL_cleanse(&tables_, sizeof(tables_)); }

bool AesGcm::Open(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length,
                  const uint8_t* tag, uint8_t* out) const {
  uint8_t computed[kGcmTag];
  open_(tables_, nonce, ad, ad_length, in, length, out, computed);
  return AreEqual(computed, tag);
}

}  // namespace culvert
