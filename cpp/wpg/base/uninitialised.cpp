#include "wpg/base/uninitialised.hpp"

#include <new>

namespace wpg::detail {
namespace {

constexpr std::align_val_t kLine{64};
constexpr std::size_t kGrain = 4096;  // sizes are whole pages, so that calls find each other's
constexpr std::size_t kMost = std::size_t{64} << 20;
constexpr int kBlocks = 16;

thread_local bool closed = false;  // this thread is at its end

/// Blocks that this thread has freed and may take again.
struct Kept {
  struct Block {
    void* memory;
    std::size_t bytes;
  };
  Block blocks[kBlocks];
  int count = 0;
  std::size_t bytes = 0;

  ~Kept() {
    closed = true;
    for (int i = 0; i < count; ++i) ::operator delete(blocks[i].memory, kLine);
  }
  void* remove(int i) {
    void* memory = blocks[i].memory;
    bytes -= blocks[i].bytes;
    --count;
    for (int j = i; j < count; ++j) blocks[j] = blocks[j + 1];
    return memory;
  }
};

thread_local Kept kept;

}  // namespace

void* take_memory(std::size_t& bytes) {
  bytes = (bytes + kGrain - 1) / kGrain * kGrain;
  if (closed) return ::operator new(bytes, kLine);
  int best = -1;
  for (int i = 0; i < kept.count; ++i) {
    const std::size_t room = kept.blocks[i].bytes;
    // A block of twice the size would be missed by who needs it.
    if (room >= bytes && room <= 2 * bytes && (best < 0 || room < kept.blocks[best].bytes))
      best = i;
  }
  if (best < 0) return ::operator new(bytes, kLine);
  bytes = kept.blocks[best].bytes;
  return kept.remove(best);
}

void give_memory(void* memory, std::size_t bytes) noexcept {
  if (bytes > kMost || closed) return ::operator delete(memory, kLine);
  // The oldest go first: what was just used is in the cache.
  while (kept.count == kBlocks || kept.bytes + bytes > kMost) {
    ::operator delete(kept.remove(0), kLine);
  }
  kept.blocks[kept.count++] = {memory, bytes};
  kept.bytes += bytes;
}

}  // namespace wpg::detail
