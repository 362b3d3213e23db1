// Addresses between text and words. IPv6 comes out as RFC 5952 has it, and with `%index` where a scope is given.
#include <arpa/inet.h>
#include <net/if.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "functions.h"
#include "path-record.h"

namespace culvert {

namespace {

/** The interface index that a zone names by number or name; 0 for none. */
uint32_t IndexOfZone(const char* zone) {
  char* end = nullptr;
  const unsigned long number = strtoul(zone, &end, 10);
  if (*zone >= '0' && *zone <= '9' && *end == '\0') return number <= kInterfaceMask ? static_cast<uint32_t>(number) : 0;
  return if_nametoindex(zone);
}

}  // namespace

// parseAddress(text, words: Uint32Array): 4 or 6 with words 0..3 the address and word 4 the interface index; 0 if it is none.
napi_value ParseAddress(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  char text[128];
  args.Text(0, "address", text, sizeof text);
  const Span<uint32_t> words = args.Words(1, "words");
  if (args.ok() && words.size < 5) args.WrongRange("words");
  if (!args.ok()) return nullptr;
  memset(words.data, 0, 5 * sizeof(uint32_t));
  if (inet_pton(AF_INET, text, words.data) == 1) return Number(env, 4);
  char* zone = strchr(text, '%');
  if (zone != nullptr) *zone++ = '\0';
  if (inet_pton(AF_INET6, text, words.data) != 1) return Number(env, 0);
  if (zone != nullptr && (words.data[4] = IndexOfZone(zone)) == 0) return Number(env, 0);
  return Number(env, 6);
}

napi_value FormatAddress(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int64_t version = args.Integer(0, "version", 4, 6);
  const Span<uint32_t> words = args.Words(1, "words");
  const size_t at = args.Integer(2, "at", 0, words.size < 4 ? 0 : words.size - 4);
  const uint32_t scope = static_cast<uint32_t>(args.Integer(3, "scope", 0, UINT32_MAX));
  if (args.ok() && words.size < 4) args.WrongRange("words");
  if (!args.ok()) return nullptr;
  char text[INET6_ADDRSTRLEN + 12];
  inet_ntop(version == 6 ? AF_INET6 : AF_INET, words.data + at, text, sizeof text);
  if (scope != 0) {
    const size_t length = strlen(text);
    snprintf(text + length, sizeof text - length, "%%%u", scope);
  }
  return String(env, text);
}

}  // namespace culvert
