// Two stacks and a switch between them, and what the thread sanitizer is told of it.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef WPG_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)

// What a call keeps is all there is to a context. Without the system's version, which asks the
// kernel for the signal mask at every switch and takes a hundred times as long.
struct Context {
  void* stack = nullptr;
};

extern "C" void wpg_switch_stacks(void** from, void* to);
asm(R"(
.text
.type wpg_switch_stacks, @function
wpg_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size wpg_switch_stacks, .-wpg_switch_stacks
)");

/// `run` never returns: its last act is a switch.
inline void begin_context(Context& context, unsigned char* stack, std::size_t bytes,
                          void (*run)()) {
  auto top = (reinterpret_cast<std::uintptr_t>(stack) + bytes) / 16 * 16;
  auto* at = reinterpret_cast<std::uint64_t*>(top);
  *--at = 0;  // where `run` would return to; the stack is aligned as after a call
  *--at = reinterpret_cast<std::uint64_t>(run);
  for (int i = 0; i < 6; ++i) *--at = 0;
  context.stack = at;
}

inline void switch_context(Context& from, const Context& to) {
  wpg_switch_stacks(&from.stack, to.stack);
}

#else

#include <ucontext.h>

struct Context {
  ucontext_t context;
};

inline void begin_context(Context& context, unsigned char* stack, std::size_t bytes,
                          void (*run)()) {
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = stack;
  context.context.uc_stack.ss_size = bytes;
  context.context.uc_link = nullptr;
  makecontext(&context.context, run, 0);
}

inline void switch_context(Context& from, const Context& to) {
  swapcontext(&from.context, const_cast<ucontext_t*>(&to.context));
}

#endif

// To the thread sanitizer every fibre is a thread. A switch says nothing of what was before what,
// so of two fibres that touch the same memory it is known only by a mark that one left and one
// found.
#ifdef WPG_THREAD_SANITIZER

inline void* new_thread() { return __tsan_create_fiber(0); }
inline void* this_thread() { return __tsan_get_current_fiber(); }
inline void becomes_thread(void* thread) {
  __tsan_switch_to_fiber(thread, __tsan_switch_to_fiber_no_sync);
}
inline void leave_mark(void* mark) { __tsan_release(mark); }
inline void find_mark(void* mark) { __tsan_acquire(mark); }

#else

inline void* new_thread() { return nullptr; }
inline void* this_thread() { return nullptr; }
inline void becomes_thread(void*) {}
inline void leave_mark(void*) {}
inline void find_mark(void*) {}

#endif
