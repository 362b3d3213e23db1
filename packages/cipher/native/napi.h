// What the calls of this addon share at the Node-API boundary: getters that check, and never crash.
#pragma once

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include <node_api.h>

#include "batch.h"

namespace culvert {

inline bool GetTyped(napi_env env, napi_value value, napi_typedarray_type wanted, void** data, size_t* size) {
  bool is_typed = false;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return false;
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, value, &type, size, data, nullptr, nullptr) != napi_ok) return false;
  if (*data == nullptr) *size = 0;  // detached, or empty
  return type == wanted;
}

// A Uint8Array (a Buffer is one). False for anything else.
inline bool Get(napi_env env, napi_value value, Span<uint8_t>* out) {
  void* data = nullptr;
  if (!GetTyped(env, value, napi_uint8_array, &data, &out->size)) return false;
  out->data = static_cast<uint8_t*>(data);
  return true;
}

inline bool Get(napi_env env, napi_value value, Span<uint32_t>* out) {
  void* data = nullptr;
  if (!GetTyped(env, value, napi_uint32_array, &data, &out->size)) return false;
  out->data = static_cast<uint32_t*>(data);
  return true;
}

inline bool Get(napi_env env, napi_value value, uint32_t* out) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) return false;
  if (!(number >= 0 && number <= 4294967295.0)) return false;
  *out = static_cast<uint32_t>(number);
  return static_cast<double>(*out) == number;
}

// Four arguments that follow each other: arena, offsets, lengths, tags.
inline bool Get(napi_env env, const napi_value* values, Batch* out) {
  return Get(env, values[0], &out->arena) && Get(env, values[1], &out->offsets) &&
         Get(env, values[2], &out->lengths) && Get(env, values[3], &out->tags);
}

// Reads exactly N arguments; missing ones are `undefined`, which no getter takes.
template <size_t N>
bool GetArguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok;
}

inline napi_value ThrowType(napi_env env, const char* message) {
  napi_throw_type_error(env, nullptr, message);
  return nullptr;
}

inline void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) != napi_ok) return;
  napi_set_named_property(env, exports, name, function);
}

}  // namespace culvert
