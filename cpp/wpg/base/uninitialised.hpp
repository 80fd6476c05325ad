// Working memory that begins on a cache line and holds anything: a vector would write zeros that
// nobody reads. Freed memory is kept at hand by the thread that frees it: megabytes that go back to
// the system with every call come back as a thousand page faults, which cost as much as the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace wpg {

namespace detail {
/// At least `bytes`, which becomes what there is. Throws std::bad_alloc.
void* take_memory(std::size_t& bytes);
/// Keeps a few blocks, 64 MiB at most, and frees what is beyond.
void give_memory(void* memory, std::size_t bytes) noexcept;
}  // namespace detail

template <class T>
class Uninitialised {
  static_assert(std::is_trivially_destructible_v<T>, "numbers only");

 public:
  Uninitialised() = default;
  explicit Uninitialised(std::int64_t count) { resize(count); }
  ~Uninitialised() { release(); }
  Uninitialised(Uninitialised&& other) noexcept { *this = std::move(other); }
  Uninitialised& operator=(Uninitialised&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
    return *this;
  }

  /// Room for so many; what was there is lost if that is more than there was room for.
  /// Throws std::bad_alloc, also for a count that no memory could hold.
  void resize(std::int64_t count) {
    if (count < 0 || count > kMost) throw std::bad_alloc();
    if (count > room_) {
      release();
      std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
      data_ = static_cast<T*>(detail::take_memory(bytes));
      room_ = static_cast<std::int64_t>(bytes / sizeof(T));
    }
    size_ = count;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  std::int64_t size() const { return size_; }

 private:
  // Below that bytes are counted without overflow, rounded up or not.
  static constexpr std::int64_t kMost =
      (std::int64_t{1} << 62) / static_cast<std::int64_t>(sizeof(T));

  void release() {
    if (data_ != nullptr) {
      detail::give_memory(data_, static_cast<std::size_t>(room_) * sizeof(T));
    }
    data_ = nullptr;
    size_ = room_ = 0;
  }

  T* data_ = nullptr;
  std::int64_t size_ = 0, room_ = 0;
};

}  // namespace wpg
