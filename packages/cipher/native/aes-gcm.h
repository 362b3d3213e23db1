// AES-GCM (NIST SP 800-38D) for packets: keyed once, and then one call a packet, without the set-up that OpenSSL makes for each.
//
// Written with instructions that compute AES and products in GF(2)[x] without tables, so nothing that is secret is an address
// or decides a branch. Which engines a machine has shows when it runs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace culvert {

constexpr size_t kGcmTag = 16;
constexpr size_t kGcmNonce = 12;
constexpr size_t kGcmMaxAd = 16;

constexpr size_t kAesBlock = 16;
constexpr int kAesMaxRounds = 14;
// Chosen: blocks that are hashed with one reduction, a packet of 1,536 bytes. Reductions wait for each other: with 32 a
// packet of 1,400 bytes takes 96 ns instead of 86.
constexpr size_t kGcmHashBlocks = 96;
// The additional data and the lengths are hashed with the packet.
constexpr size_t kGcmPowers = kGcmHashBlocks + 2;

// What a key is expanded to: 2 KiB.
struct alignas(64) AesGcmTables {
  uint8_t round_keys[kAesMaxRounds + 1][kAesBlock];
  // The powers of H from the highest down to 1, as GHASH multiplies by them; then zeros, so that any register may be filled
  // from any power on.
  uint8_t powers[kGcmPowers + 3][kAesBlock];

  const uint8_t* Power(size_t exponent) const { return powers[kGcmPowers - exponent]; }
};

// Turns `length` bytes of `in` into as many of `out`, and computes the tag of the ciphertext among them.
using AesGcmPass = void (*)(const AesGcmTables& tables, const uint8_t* nonce, const uint8_t* ad, size_t ad_length,
                            const uint8_t* in, size_t length, uint8_t* out, uint8_t* tag);

// One way to compute it.
struct AesGcmEngine {
  const char* name;
  bool (*is_supported)();
  void (*expand)(const uint8_t* key, size_t length, AesGcmTables* tables);
  AesGcmPass seal128, seal256, open128, open256;
};

// All engines of this architecture, the fastest first.
constexpr int kAesGcmEngines = 3;
const AesGcmEngine* AesGcmEngineAt(int index);
// Whether this processor has the engine, and whether the engine then computes what it should; the test is made once.
bool IsSupported(int index);
bool IsRight(int index);
// The fastest engine that is supported and right; null: OpenSSL has to do.
const AesGcmEngine* BestAesGcmEngine();
// Computes known packets. `flip` is a bit to change in what is expected, for a test of the test; negative: none.
bool PassesSelfTest(const AesGcmEngine& engine, int flip);

// A key. Nonces have kGcmNonce bytes, tags kGcmTag, additional data at most kGcmMaxAd, wherever they lie. `out` may be `in`,
// but must not overlap it otherwise.
class AesGcm {
 public:
  // `length` is 16 or 32.
  void Init(const AesGcmEngine& engine, const uint8_t* key, size_t length);
  void Wipe();

  void Seal(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length, uint8_t* out,
            uint8_t* tag) const {
    seal_(tables_, nonce, ad, ad_length, in, length, out, tag);
  }
  // False: not authentic, and what `out` holds then is to be wiped by the caller.
  bool Open(const uint8_t* nonce, const uint8_t* ad, size_t ad_length, const uint8_t* in, size_t length, const uint8_t* tag,
            uint8_t* out) const;

 private:
  AesGcmTables tables_ = {};
  AesGcmPass seal_ = nullptr;
  AesGcmPass open_ = nullptr;
};

}  // namespace culvert
