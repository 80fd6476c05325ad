// The median rule of one state by a table of all distances, in long double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

using Long = long double;

template <class T>
Long naive(const T* cloud, std::int64_t N, std::int64_t D) {
  std::vector<Long> distances;
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      Long sum = 0;
      for (std::int64_t d = 0; d < D; ++d) {
        const Long away = static_cast<Long>(cloud[i * D + d]) - static_cast<Long>(cloud[j * D + d]);
        sum += away * away;
      }
      distances.push_back(std::sqrt(sum));
    }
  }
  if (distances.empty()) return 0;
  std::sort(distances.begin(), distances.end());
  const std::size_t P = distances.size();
  const Long median = (distances[(P - 1) / 2] + distances[P / 2]) / 2;
  return median / std::sqrt(2 * std::log(static_cast<Long>(N) + 1));
}
