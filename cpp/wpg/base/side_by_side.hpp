// Two vectors that go through the same formula side by side. A processor looks ahead only so far:
// one long chain of operations after the other leaves its units waiting, the same operation on
// independent vectors in turn does not. A lane type for the formula headers, like a number or a
// vector; SideBySide<SideBySide<V>> is four. No bit depends on it.
#pragma once

#include "wpg/base/simd.hpp"

namespace wpg {

template <class V>
struct SideBySide {
  V a, b;
};

template <class V>
struct LaneTypes<SideBySide<V>> {
  using Number = number_of<V>;
  using Signed = SideBySide<signed_of<V>>;
  using Unsigned = SideBySide<unsigned_of<V>>;
};

#define WPG_OPERATOR(op)                                                    \
  template <class V>                                                        \
  WPG_FORMULA SideBySide<V> operator op(SideBySide<V> x, SideBySide<V> y) { \
    return {V(x.a op y.a), V(x.b op y.b)};                                  \
  }                                                                         \
  template <class V, class N>                                               \
  WPG_FORMULA SideBySide<V> operator op(SideBySide<V> x, N y) {             \
    return {V(x.a op y), V(x.b op y)};                                      \
  }
template <class V, class N>
WPG_FORMULA SideBySide<V> operator-(N x, SideBySide<V> y) {
  return {V(x - y.a), V(x - y.b)};
}
WPG_OPERATOR(+)
WPG_OPERATOR(-)
WPG_OPERATOR(*)
WPG_OPERATOR(/)
WPG_OPERATOR(&)
WPG_OPERATOR(|)
WPG_OPERATOR(^)
WPG_OPERATOR(<<)
WPG_OPERATOR(>>)
#undef WPG_OPERATOR

#define WPG_COMPARISON(op)                                           \
  template <class V>                                                 \
  WPG_FORMULA auto operator op(SideBySide<V> x, SideBySide<V> y) {   \
    return SideBySide<decltype(x.a op y.a)>{x.a op y.a, x.b op y.b}; \
  }                                                                  \
  template <class V, class N>                                        \
  WPG_FORMULA auto operator op(SideBySide<V> x, N y) {               \
    return SideBySide<decltype(x.a op y)>{x.a op y, x.b op y};       \
  }
WPG_COMPARISON(<)
WPG_COMPARISON(>)
WPG_COMPARISON(>=)
WPG_COMPARISON(==)
#undef WPG_COMPARISON

template <class C>
WPG_FORMULA SideBySide<C> operator!(SideBySide<C> condition) {
  return {!condition.a, !condition.b};
}

template <class C>
WPG_FORMULA bool any_lane(SideBySide<C> condition) {
  return any_lane(condition.a | condition.b);
}

template <class C, class V>
WPG_FORMULA SideBySide<V> select(SideBySide<C> condition, SideBySide<V> x, SideBySide<V> y) {
  return {select(condition.a, x.a, y.a), select(condition.b, x.b, y.b)};
}

template <class To, class V>
WPG_FORMULA To same_bits(SideBySide<V> x) {
  using Half = decltype(To::a);
  return {same_bits<Half>(x.a), same_bits<Half>(x.b)};
}

template <class V>
WPG_FORMULA SideBySide<V> larger(SideBySide<V> x, SideBySide<V> y) {
  return {larger(x.a, y.a), larger(x.b, y.b)};
}

template <class V>
WPG_FORMULA SideBySide<V> smaller(SideBySide<V> x, SideBySide<V> y) {
  return {smaller(x.a, y.a), smaller(x.b, y.b)};
}

template <class V>
WPG_FORMULA SideBySide<V> square_root(SideBySide<V> x) {
  return {square_root(x.a), square_root(x.b)};
}

template <class I>
WPG_FORMULA auto to_number(SideBySide<I> x) {
  return SideBySide<decltype(to_number(x.a))>{to_number(x.a), to_number(x.b)};
}

/// Loading and storing, one vector after the other.
template <class V, class T>
WPG_FORMULA void load_lanes(V& v, const T* from) {
  v = load<V>(from);
}

template <class V, class T>
WPG_FORMULA void load_lanes(SideBySide<V>& v, const T* from) {
  load_lanes(v.a, from);
  load_lanes(v.b, from + sizeof(V) / sizeof(T));
}

template <class T, class V>
WPG_FORMULA void store_lanes(T* to, V v) {
  store(to, v);
}

template <class T, class V>
WPG_FORMULA void store_lanes(T* to, SideBySide<V> v) {
  store_lanes(to, v.a);
  store_lanes(to + sizeof(V) / sizeof(T), v.b);
}

}  // namespace wpg
