// The file descriptors that one JavaScript thread opened through one addon: which are open, what waits for them, and that
// all are closed when the thread ends. The table is the addon's instance data, so threads share nothing.
//
// A function that gets a descriptor from JavaScript looks it up here, so that a closed or foreign number reaches no
// system call.
#ifndef CULVERT_DESCRIPTORS_H_
#define CULVERT_DESCRIPTORS_H_

#include <node_api.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <vector>

#include "arguments.h"
#include "bound-arrays.h"

namespace culvert {

class Descriptors {
 public:
  /** Makes the table of this thread. False when Node refuses. */
  static bool Install(napi_env env) {
    auto* table = new Descriptors(env);
    const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Descriptors*>(data); };
    if (napi_set_instance_data(env, table, destroy, nullptr) != napi_ok) {
      delete table;
      return false;
    }
    return napi_add_async_cleanup_hook(env, OnThreadEnd, table, &table->hook_) == napi_ok;
  }

  static Descriptors& Of(napi_env env) {
    void* data = nullptr;
    napi_get_instance_data(env, &data);
    return *static_cast<Descriptors*>(data);
  }

  bool Has(int fd) const { return fd >= 0 && static_cast<size_t>(fd) < entries_.size() && entries_[fd] != nullptr; }

  void Adopt(int fd) {
    // A number that comes back was closed by somebody else: what we had under it is no more.
    if (Has(fd)) Retire(fd);
    if (entries_.size() <= static_cast<size_t>(fd)) entries_.resize(fd + 1, nullptr);
    entries_[fd] = new Entry{};
    entries_[fd]->table = this;
    entries_[fd]->fd = fd;
  }

  /** Forgets a descriptor without closing it. Only before it was watched. */
  void Release(int fd) {
    ReleaseArrays(entries_[fd]);
    delete entries_[fd];
    entries_[fd] = nullptr;
  }

  void Close(int fd) {
    // libuv leaves the descriptor first: uv_close takes it out of epoll at once.
    Retire(fd);
    close(fd);
  }

  /** What calls over this descriptor use, one set for reading (0) and one for writing (1). */
  static constexpr size_t kWays = 2;
  BoundArrays& Bound(int fd, size_t way) { return entries_[fd]->bound[way]; }

  /** Calls `callback(status, events)` while the descriptor is ready for `events` (UV_READABLE, UV_WRITABLE); 0 stops. 0 or -errno. */
  int Watch(int fd, int events, napi_value callback) {
    Entry* entry = entries_[fd];
    if (events == 0) {
      DropCallback(entry);
      return entry->polled ? uv_poll_stop(&entry->poll) : 0;
    }
    if (!entry->polled) {
      const int failed = StartPolling(entry);
      if (failed != 0) return failed;
    }
    napi_ref held = nullptr;
    if (napi_create_reference(env_, callback, 1, &held) != napi_ok) return -EINVAL;
    DropCallback(entry);
    entry->callback = held;
    return uv_poll_start(&entry->poll, events, OnReady);
  }

 private:
  struct Entry {
    Descriptors* table;
    int fd;
    bool polled;
    uv_poll_t poll;
    napi_ref callback;
    BoundArrays bound[kWays];
  };

  explicit Descriptors(napi_env env) : env_(env) {}

  void Retire(int fd) {
    Entry* entry = entries_[fd];
    entries_[fd] = nullptr;
    DropCallback(entry);
    ReleaseArrays(entry);
    if (entry->polled) {
      closing_++;
      uv_close(reinterpret_cast<uv_handle_t*>(&entry->poll), OnClosed);
    } else {
      delete entry;
    }
  }

  int StartPolling(Entry* entry) {
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env_, &loop) != napi_ok) return -EINVAL;
    const int failed = uv_poll_init(loop, &entry->poll, entry->fd);
    if (failed != 0) return failed;
    entry->poll.data = entry;
    entry->polled = true;
    return 0;
  }

  void DropCallback(Entry* entry) {
    if (entry->callback != nullptr) napi_delete_reference(env_, entry->callback);
    entry->callback = nullptr;
  }

  void ReleaseArrays(Entry* entry) {
    for (BoundArrays& bound : entry->bound) bound.Release(env_);
  }

  static void OnReady(uv_poll_t* poll, int status, int events) {
    auto* entry = static_cast<Entry*>(poll->data);
    napi_env env = entry->table->env_;
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return;
    napi_value callback = nullptr;
    napi_value receiver = nullptr;
    if (entry->callback != nullptr && napi_get_reference_value(env, entry->callback, &callback) == napi_ok &&
        callback != nullptr && napi_get_global(env, &receiver) == napi_ok) {
      napi_value arguments[] = {Number(env, status), Number(env, events)};
      napi_make_callback(env, nullptr, receiver, callback, 2, arguments, nullptr);
      // The callback may have closed the descriptor: nothing of `entry` is used from here on.
      ReportException(env);
    }
    napi_close_handle_scope(env, scope);
  }

  /** What a callback throws is the program's uncaught exception. */
  static void ReportException(napi_env env) {
    bool pending = false;
    napi_value thrown = nullptr;
    if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return;
    if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) napi_fatal_exception(env, thrown);
  }

  static void OnClosed(uv_handle_t* handle) {
    auto* entry = static_cast<Entry*>(handle->data);
    Descriptors* table = entry->table;
    delete entry;
    table->closing_--;
    table->EndIfIdle();
  }

  static void OnThreadEnd(napi_async_cleanup_hook_handle, void* data) {
    auto* table = static_cast<Descriptors*>(data);
    table->ending_ = true;
    for (size_t fd = 0; fd < table->entries_.size(); fd++) {
      if (table->entries_[fd] != nullptr) table->Close(static_cast<int>(fd));
    }
    table->EndIfIdle();
  }

  /** Lets the thread go on ending, and thereby free this table, once libuv holds none of our handles. */
  void EndIfIdle() {
    if (ending_ && closing_ == 0) napi_remove_async_cleanup_hook(hook_);
  }

  napi_env env_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::vector<Entry*> entries_;
  size_t closing_ = 0;
  bool ending_ = false;
};

/** The descriptor in argument `index`, or -1 with an error thrown. */
inline int OwnDescriptor(Arguments& args, size_t index) {
  const int fd = static_cast<int>(args.Integer(index, "fd", INT32_MIN, INT32_MAX));
  if (!args.ok()) return -1;
  if (Descriptors::Of(args.env()).Has(fd)) return fd;
  args.WrongRange("fd");
  return -1;
}

/** watch(fd, events, callback): 0 or -errno. */
inline napi_value WatchDescriptor(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const int events = static_cast<int>(args.Integer(1, "events", 0, UV_READABLE | UV_WRITABLE));
  if (!args.ok()) return nullptr;
  napi_valuetype type = napi_undefined;
  napi_typeof(env, args.value(2), &type);
  if (events != 0 && type != napi_function) {
    args.WrongType("callback", "a function");
    return nullptr;
  }
  return Number(env, Descriptors::Of(env).Watch(fd, events, args.value(2)));
}

/** bind(fd, way: 0 | 1, two Uint8Arrays, six Uint32Arrays, each of which may be undefined): nothing. In place of those that were bound before. */
inline napi_value BindArrays(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const size_t way = args.Integer(1, "way", 0, Descriptors::kWays - 1);
  if (!args.ok()) return nullptr;
  BoundArrays arrays;
  if (!arrays.Take(args, 2)) {
    arrays.Release(env);
    return nullptr;
  }
  BoundArrays& bound = Descriptors::Of(env).Bound(fd, way);
  bound.Release(env);
  bound = arrays;
  return nullptr;
}

/** close(fd): nothing. A descriptor that is not ours (any more) is left alone. */
inline napi_value CloseDescriptor(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = static_cast<int>(args.Integer(0, "fd", INT32_MIN, INT32_MAX));
  if (args.ok() && Descriptors::Of(env).Has(fd)) Descriptors::Of(env).Close(fd);
  return nullptr;
}

}  // namespace culvert

#endif  // CULVERT_DESCRIPTORS_H_
