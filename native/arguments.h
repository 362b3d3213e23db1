// The arguments of one call from JavaScript, checked as they are read. The first that is wrong throws a TypeError or
// RangeError and makes `ok()` false; those read after it are empty and throw nothing more.
//
// Memory is lent for the length of the call: no JavaScript runs in between, so nothing can be detached or shrunk. Another
// thread may write to shared memory meanwhile, so a descriptor is loaded once (`Load`) and checked after that.
#ifndef CULVERT_ARGUMENTS_H_
#define CULVERT_ARGUMENTS_H_

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace culvert {

template <typename T>
struct Span {
  T* data = nullptr;
  size_t size = 0;
};

template <typename T>
inline T Load(const T* at) {
  return __atomic_load_n(at, __ATOMIC_RELAXED);
}

class Arguments {
 public:
  static constexpr size_t kMost = 13;

  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMost;
    if (napi_get_cb_info(env, info, &count, values_, nullptr, nullptr) != napi_ok) ok_ = false;
  }

  bool ok() const { return ok_; }
  napi_env env() const { return env_; }
  napi_value value(size_t index) const { return values_[index]; }

  /** An integer from `least` to `most`; anything after a point is cut off. */
  int64_t Integer(size_t index, const char* name, int64_t least, int64_t most) {
    if (!ok_) return least;
    int64_t value = 0;
    if (napi_get_value_int64(env_, values_[index], &value) != napi_ok) {
      WrongType(name, "a number");
      return least;
    }
    if (value < least || value > most) {
      WrongRange(name);
      return least;
    }
    return value;
  }

  Span<uint8_t> Bytes(size_t index, const char* name) {
    return Typed<uint8_t>(index, napi_uint8_array, name, "a Uint8Array");
  }
  Span<uint32_t> Words(size_t index, const char* name) {
    return Typed<uint32_t>(index, napi_uint32_array, name, "a Uint32Array");
  }

  bool IsUndefined(size_t index) const {
    napi_valuetype type = napi_undefined;
    return napi_typeof(env_, values_[index], &type) == napi_ok && type == napi_undefined;
  }

  /** Text of at most `capacity - 1` bytes of UTF-8, none of them zero. */
  bool Text(size_t index, const char* name, char* into, size_t capacity) {
    into[0] = '\0';
    if (!ok_) return false;
    size_t length = 0;
    if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &length) != napi_ok) {
      WrongType(name, "a string");
      return false;
    }
    if (length >= capacity) {
      WrongRange(name);
      return false;
    }
    napi_get_value_string_utf8(env_, values_[index], into, capacity, &length);
    if (strlen(into) != length) WrongRange(name);
    return ok_;
  }

  void WrongType(const char* name, const char* wanted) {
    char text[96];
    snprintf(text, sizeof text, "%s must be %s", name, wanted);
    Fail();
    napi_throw_type_error(env_, "ERR_INVALID_ARG_TYPE", text);
  }
  void WrongRange(const char* name) {
    char text[96];
    snprintf(text, sizeof text, "%s is out of range", name);
    Fail();
    napi_throw_range_error(env_, "ERR_OUT_OF_RANGE", text);
  }

 private:
  void Fail() { ok_ = false; }

  template <typename T>
  Span<T> Typed(size_t index, napi_typedarray_type wanted, const char* name, const char* wantedName) {
    if (!ok_) return {};
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;
    if (napi_get_typedarray_info(env_, values_[index], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != wanted) {
      WrongType(name, wantedName);
      return {};
    }
    // A detached buffer, or a view that a shrunk buffer left outside, has no data and no length.
    if (data == nullptr) length = 0;
    return {static_cast<T*>(data), length};
  }

  napi_env env_;
  napi_value values_[kMost] = {};
  bool ok_ = true;
};

inline napi_value Number(napi_env env, int64_t value) {
  napi_value result = nullptr;
  napi_create_int64(env, value, &result);
  return result;
}

inline napi_value String(napi_env env, const char* text) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

struct Function {
  const char* name;
  napi_callback call;
};

template <size_t N>
inline bool Export(napi_env env, napi_value exports, const Function (&functions)[N]) {
  for (const Function& f : functions) {
    napi_value value = nullptr;
    if (napi_create_function(env, f.name, NAPI_AUTO_LENGTH, f.call, nullptr, &value) != napi_ok) return false;
    if (napi_set_named_property(env, exports, f.name, value) != napi_ok) return false;
  }
  return true;
}

}  // namespace culvert

#endif  // CULVERT_ARGUMENTS_H_
