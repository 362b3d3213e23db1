// Arguments, results and handles at the Node-API boundary. Nothing of TLS is here.
#pragma once

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace culvert {

struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;
};

inline napi_value ThrowType(napi_env env, const char* message) {
  napi_throw_type_error(env, nullptr, message);
  return nullptr;
}

// Reads exactly N arguments; missing ones are `undefined`, which no getter takes.
template <size_t N>
bool GetArguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok;
}

inline bool Get(napi_env env, napi_value value, Bytes* out) {
  bool is_typed = false;
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return false;
  if (napi_get_typedarray_info(env, value, &type, &out->size, &data, nullptr, nullptr) != napi_ok) return false;
  out->data = static_cast<uint8_t*>(data);
  if (data == nullptr) out->size = 0;  // detached, or empty
  return type == napi_uint8_array;
}

inline bool Get(napi_env env, napi_value value, std::string* out) {
  size_t size = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &size) != napi_ok) return false;
  out->resize(size);
  return napi_get_value_string_utf8(env, value, out->data(), size + 1, &size) == napi_ok;
}

inline bool Get(napi_env env, napi_value value, double* out) {
  return napi_get_value_double(env, value, out) == napi_ok;
}

inline bool Get(napi_env env, napi_value value, int32_t* out) {
  return napi_get_value_int32(env, value, out) == napi_ok;
}

inline bool Get(napi_env env, napi_value value, bool* out) { return napi_get_value_bool(env, value, out) == napi_ok; }

inline napi_value Js(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

inline napi_value Js(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

inline napi_value Js(napi_env env, bool flag) {
  napi_value value = nullptr;
  napi_get_boolean(env, flag, &value);
  return value;
}

// A Uint8Array of its own with `size` bytes; `*data` is where to write them. Null when memory is short (an error is pending).
inline napi_value JsBytes(napi_env env, size_t size, uint8_t** data) {
  napi_value buffer, array;
  void* memory = nullptr;
  if (napi_create_arraybuffer(env, size, &memory, &buffer) != napi_ok) return nullptr;
  if (napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &array) != napi_ok) return nullptr;
  *data = static_cast<uint8_t*>(memory);
  return array;
}

// A plain object, built property by property. What is not set stays undefined.
class JsObject {
 public:
  explicit JsObject(napi_env env) : env_(env) { napi_create_object(env, &value_); }
  JsObject& Set(const char* key, napi_value value) {
    if (value != nullptr) napi_set_named_property(env_, value_, key, value);
    return *this;
  }
  JsObject& Set(const char* key, const std::string& text) { return Set(key, Js(env_, text)); }
  JsObject& Set(const char* key, const char* text) { return Set(key, Js(env_, std::string(text))); }
  JsObject& Set(const char* key, double number) { return Set(key, Js(env_, number)); }
  JsObject& Set(const char* key, int number) { return Set(key, Js(env_, static_cast<double>(number))); }
  JsObject& Set(const char* key, bool flag) { return Set(key, Js(env_, flag)); }
  napi_value value() const { return value_; }

 private:
  napi_env env_;
  napi_value value_ = nullptr;
};

// A native object held by an external of JavaScript's. T has a static `kTag`; what is not such an external yields null.
template <typename T>
napi_value Wrap(napi_env env, std::shared_ptr<T> object) {
  auto box = std::make_unique<std::shared_ptr<T>>(std::move(object));
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); };
  napi_value external;
  if (napi_create_external(env, box.get(), finalize, nullptr, &external) != napi_ok) return nullptr;
  box.release();
  if (napi_type_tag_object(env, external, &T::kTag) != napi_ok) return nullptr;
  return external;
}

template <typename T>
std::shared_ptr<T>* Unwrap(napi_env env, napi_value value) {
  napi_valuetype type;
  bool ours = false;
  void* data = nullptr;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_external) return nullptr;
  if (napi_check_object_type_tag(env, value, &T::kTag, &ours) != napi_ok || !ours) return nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  return static_cast<std::shared_ptr<T>*>(data);
}

// As Unwrap, for a handle that was not closed.
template <typename T>
T* GetOpen(napi_env env, napi_value value) {
  std::shared_ptr<T>* box = Unwrap<T>(env, value);
  return box == nullptr ? nullptr : box->get();
}

inline void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) != napi_ok) return;
  napi_set_named_property(env, exports, name, function);
}

}  // namespace culvert
