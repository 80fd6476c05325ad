// All that the C++ tests want of a framework.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>

inline int failures = 0;

inline void report(bool holds, const char* file, int line, const std::string& what) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

template <class A, class B>
std::string both(const char* text, const A& a, const B& b) {
  std::ostringstream out;
  out.precision(17);
  out << text << ": " << a << " and " << b;
  return out.str();
}

#define CHECK(condition) report(static_cast<bool>(condition), __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(a, b) report((a) == (b), __FILE__, __LINE__, both(#a " == " #b, a, b))
#define CHECK_AT_MOST(a, b) report((a) <= (b), __FILE__, __LINE__, both(#a " <= " #b, a, b))

/// The statement throws std::invalid_argument, and its message names what is wrong.
#define CHECK_REFUSED(statement, word)                                                   \
  do {                                                                                   \
    std::string said = "nothing was thrown";                                             \
    try {                                                                                \
      statement;                                                                         \
    } catch (const std::invalid_argument& refused) {                                     \
      said = refused.what();                                                             \
    }                                                                                    \
    report(said.find(word) != std::string::npos, __FILE__, __LINE__,                     \
           std::string(#statement " wants a word about ") + (word) + ", said: " + said); \
  } while (false)

/// To be returned from main.
inline int result() {
  if (failures != 0) std::fprintf(stderr, "%d checks failed\n", failures);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
