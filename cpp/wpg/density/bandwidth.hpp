// The median rule for the bandwidth of a Gaussian kernel between the particles of a state, the one
// that every routine of the package uses when it is given no bandwidth:
//
//   l = med / sqrt(2 log(N + 1)),   med = median over the N(N-1)/2 pairs i < j of |a_i - a_j|
//
// so that k = exp(-r^2 / (2 l^2)) = exp(-r^2 log(N + 1) / med^2): at the median distance a particle
// weighs 1/(N + 1), and all others together about as much as the particle itself.
// Source: Liu, Wang 2016, section 5.
#pragma once

#include "wpg/base/view.hpp"

namespace wpg {

/// bandwidth (S) [action] of `particles` (S, N, D); for an even number of pairs the median is the
/// mean of the middle two distances.
///
/// The middle two are exact order statistics of the computed squared distances, found without a
/// table of all pairs: a sample of pairs gives a bracket, one pass over all pairs counts what lies
/// below it and keeps what lies inside, and the answer is selected from that. A bracket that misses
/// is noticed and moved. Cost: S N^2 D / 2; memory 1.5 N D + 12 N^(4/3) numbers for each thread.
///
/// Error: relative at most (D/2 + 6) u, u the unit roundoff, whatever the magnitude of the
/// particles; where the bandwidth is below the smallest normal number, one unit of its last place;
/// above the largest number it is infinity. The order of the particles does not change a bit.
///
/// One particle, or a median of zero (duplicates), gives 0; a NaN or infinity gives NaN in its
/// state and nowhere else. N = 0 throws std::invalid_argument before anything is written. No bit
/// depends on the number of threads.
template <class T>
void median_bandwidth(T* bandwidth, const T* particles, const CloudShape& shape);

}  // namespace wpg
