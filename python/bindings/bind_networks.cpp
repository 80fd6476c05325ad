#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "args.hpp"
#include "wpg/networks/adam.hpp"
#include "wpg/networks/mlp.hpp"

namespace wpg::bindings {
namespace {

Activation activation_of(const std::string& name) {
  if (name == "relu") return Activation::relu;
  if (name == "silu") return Activation::silu;
  throw py::value_error("activation is '" + name + "'; it must be 'relu' or 'silu'");
}

Aggregate aggregate_of(const std::string& name) {
  if (name == "minimum") return Aggregate::minimum;
  if (name == "mean") return Aggregate::mean;
  throw py::value_error("aggregate is '" + name + "'; it must be 'minimum' or 'mean'");
}

py::array floats_of(const py::handle& object, const char* name, const Shape& shape) {
  py::array array = array_of(object, name);
  require_dtype(array, name, false);
  require_shape(array, name, shape);
  return array;
}

py::array parameters_of(const py::handle& object, const MlpShape& shape) {
  return floats_of(object, "parameters", {shape.members, shape.parameters_of_member()});
}

/// Numbers that a step changes in place.
py::array changed(const py::handle& object, const char* name, const Shape& shape) {
  if (object.is_none()) throw py::type_error(std::string(name) + " must be an array");
  return output(object, name, shape, false);
}

/// Inputs of a network, kept alive, with the shape (S, N) that they ask for.
struct Inputs {
  py::array states, particles;
  MlpRows rows;
};

Inputs inputs_of(const MlpShape& shape, const py::handle& states, const py::handle& particles) {
  Inputs in;
  in.states = array_of(states, "states");
  require_dtype(in.states, "states", false);
  if (in.states.ndim() != 2 || in.states.shape(1) != shape.state_size) {
    throw py::value_error("states has shape " +
                          text_of(Shape(in.states.shape(), in.states.shape() + in.states.ndim())) +
                          "; it must be (S, " + std::to_string(shape.state_size) + ")");
  }
  in.rows.states = data<float>(in.states);
  in.rows.count = in.states.shape(0);
  if (shape.particle_size == 0) {
    if (!particles.is_none()) throw py::type_error("this network takes no particles; give None");
    return in;
  }
  in.particles = array_of(particles, "particles");
  require_dtype(in.particles, "particles", false);
  if (in.particles.ndim() != 3 || in.particles.shape(0) != in.rows.count ||
      in.particles.shape(2) != shape.particle_size) {
    throw py::value_error(
        "particles has shape " +
        text_of(Shape(in.particles.shape(), in.particles.shape() + in.particles.ndim())) +
        "; it must be (" + std::to_string(in.rows.count) + ", N, " +
        std::to_string(shape.particle_size) + ")");
  }
  in.rows.particles = data<float>(in.particles);
  in.rows.each = in.particles.shape(1);
  return in;
}

py::tuple forward(const MlpShape& shape, const py::handle& parameters, const py::handle& states,
                  const py::handle& particles, bool keeps) {
  const py::array p = parameters_of(parameters, shape);
  const Inputs in = inputs_of(shape, states, particles);
  py::array out =
      output(py::none(), "out", {shape.members, in.rows.count, in.rows.each, shape.outputs}, false);
  float* to = mutable_data<float>(out);
  std::unique_ptr<MlpTape> tape;
  {
    py::gil_scoped_release release;
    if (keeps) {
      tape = std::make_unique<MlpTape>();
      mlp_forward(*tape, shape, data<float>(p), in.rows);
      std::copy_n(tape->outputs(), shape.members * in.rows.rows() * shape.outputs, to);
    } else {
      mlp_forward(to, shape, data<float>(p), in.rows);
    }
  }
  return py::make_tuple(out, keeps ? py::cast(std::move(tape)) : py::none());
}

py::tuple backward(const MlpShape& shape, const py::handle& parameters, const MlpTape& tape,
                   const py::handle& output_gradient, bool wants_parameters, bool wants_particles) {
  const py::array p = parameters_of(parameters, shape);
  const MlpRows& rows = tape.rows();
  const py::array g = floats_of(output_gradient, "output_gradient",
                                {shape.members, rows.count, rows.each, shape.outputs});
  py::object of_parameters = py::none(), of_particles = py::none();
  float* to_parameters = nullptr;
  float* to_particles = nullptr;
  const auto prepare = [](const Shape& wanted, py::object& kept) {
    py::array array = output(py::none(), "gradient", wanted, false);
    kept = array;
    return mutable_data<float>(array);
  };
  if (wants_parameters) {
    to_parameters = prepare({shape.members, shape.parameters_of_member()}, of_parameters);
  }
  if (wants_particles) {
    if (shape.particle_size == 0) throw py::type_error("this network has no particles");
    to_particles = prepare({rows.count, rows.each, shape.particle_size}, of_particles);
  }
  {
    py::gil_scoped_release release;
    mlp_backward(to_parameters, to_particles, tape, shape, data<float>(p), data<float>(g));
  }
  return py::make_tuple(of_parameters, of_particles);
}

py::tuple value_and_particle_gradient(const MlpShape& shape, const py::handle& parameters,
                                      const py::handle& states, const py::handle& particles,
                                      const std::string& aggregate, bool wants_values,
                                      bool wants_gradient, const py::handle& out_values,
                                      const py::handle& out_gradient) {
  const py::array p = parameters_of(parameters, shape);
  const Inputs in = inputs_of(shape, states, particles);
  const Aggregate how = aggregate_of(aggregate);
  if (shape.outputs != 1) {
    throw py::value_error("this network has " + std::to_string(shape.outputs) +
                          " outputs; a value has one a member");
  }
  py::object values = py::none(), gradient = py::none();
  float* v = nullptr;
  float* g = nullptr;
  const auto prepare = [&](const py::handle& given, const char* name, const Shape& wanted,
                           py::object& kept) {
    py::array array = output(given, name, wanted, false);
    if (array.size() > 0) {
      require_disjoint(array, name, in.states, "states");
      require_disjoint(array, name, in.particles, "particles");
      require_disjoint(array, name, p, "parameters");
    }
    kept = array;
    return mutable_data<float>(array);
  };
  if (wants_values) v = prepare(out_values, "out[0]", {in.rows.count, in.rows.each}, values);
  if (wants_gradient) {
    g = prepare(out_gradient, "out[1]", {in.rows.count, in.rows.each, shape.particle_size},
                gradient);
  }
  if (v != nullptr && g != nullptr && in.rows.rows() > 0) {
    require_disjoint(values, "out[0]", gradient, "out[1]");
  }
  {
    py::gil_scoped_release release;
    mlp_value_and_particle_gradient(v, g, shape, data<float>(p), in.rows, how);
  }
  return py::make_tuple(values, gradient);
}

}  // namespace

void bind_networks(py::module_& m) {
  py::class_<MlpTape>(m, "MlpTape");
  py::class_<MlpShape>(m, "MlpShape")
      .def(py::init([](std::int64_t members, std::int64_t state_size, std::int64_t particle_size,
                       const std::vector<std::int64_t>& hidden, std::int64_t outputs,
                       const std::string& activation, bool layer_norm) {
             MlpShape shape{members,   state_size, particle_size,
                            hidden,    outputs,    activation_of(activation),
                            layer_norm};
             shape.require();
             return shape;
           }),
           py::arg("members"), py::arg("state_size"), py::arg("particle_size"), py::arg("hidden"),
           py::arg("outputs"), py::arg("activation"), py::arg("layer_norm"))
      .def("begin_of", &MlpShape::begin_of, py::arg("layer"))
      .def("__eq__", [](const MlpShape& a, const MlpShape& b) { return a == b; })
      .def_property_readonly("parameters_of_member", &MlpShape::parameters_of_member)
      .def(
          "initialise",
          [](const MlpShape& shape, const py::handle& seed) {
            py::array out =
                output(py::none(), "out", {shape.members, shape.parameters_of_member()}, false);
            mlp_initialise(mutable_data<float>(out), shape, seed_of(seed));
            return out;
          },
          py::arg("seed"))
      .def("forward", &forward, py::arg("parameters"), py::arg("states"), py::arg("particles"),
           py::arg("keeps"))
      .def("backward", &backward, py::arg("parameters"), py::arg("tape"),
           py::arg("output_gradient"), py::arg("wants_parameters"), py::arg("wants_particles"))
      .def("value_and_particle_gradient", &value_and_particle_gradient, py::arg("parameters"),
           py::arg("states"), py::arg("particles"), py::arg("aggregate"), py::arg("wants_values"),
           py::arg("wants_gradient"), py::arg("out_values"), py::arg("out_gradient"));
  m.def(
      "adam_step",
      [](const py::handle& parameters, const py::handle& first_moment,
         const py::handle& second_moment, const py::handle& gradient, std::uint64_t steps,
         const py::handle& learning_rate, const py::handle& beta1, const py::handle& beta2,
         const py::handle& epsilon) {
        const AdamSettings settings{number_of(learning_rate, "learning_rate", "a number"),
                                    number_of(beta1, "beta1", "a number"),
                                    number_of(beta2, "beta2", "a number"),
                                    number_of(epsilon, "epsilon", "a number")};
        const py::array g = array_of(gradient, "gradient");
        require_dtype(g, "gradient", false);
        const Shape shape(g.shape(), g.shape() + g.ndim());
        py::array p = changed(parameters, "parameters", shape);
        py::array m1 = changed(first_moment, "first_moment", shape);
        py::array m2 = changed(second_moment, "second_moment", shape);
        if (g.size() > 0) {
          for (const py::array* array : {&m1, &m2}) {
            require_disjoint(p, "parameters", *array, "a moment");
          }
          require_disjoint(m1, "first_moment", m2, "second_moment");
          require_disjoint(p, "parameters", g, "gradient");
          require_disjoint(m1, "first_moment", g, "gradient");
          require_disjoint(m2, "second_moment", g, "gradient");
        }
        float* to = mutable_data<float>(p);
        float* m = mutable_data<float>(m1);
        float* v = mutable_data<float>(m2);
        py::gil_scoped_release release;
        adam_step(to, m, v, data<float>(g), g.size(), steps, settings);
      },
      py::arg("parameters"), py::arg("first_moment"), py::arg("second_moment"), py::arg("gradient"),
      py::arg("steps"), py::arg("learning_rate"), py::arg("beta1") = 0.9, py::arg("beta2") = 0.999,
      py::arg("epsilon") = 1e-8);
  m.def(
      "polyak_average",
      [](const py::handle& average, const py::handle& parameters, const py::handle& rate) {
        const double share = number_of(rate, "rate", "a number from 0 to 1");
        const py::array p = array_of(parameters, "parameters");
        require_dtype(p, "parameters", false);
        py::array a = changed(average, "average", Shape(p.shape(), p.shape() + p.ndim()));
        if (p.size() > 0) require_disjoint(a, "average", p, "parameters");
        float* to = mutable_data<float>(a);
        py::gil_scoped_release release;
        polyak_average(to, data<float>(p), p.size(), share);
      },
      py::arg("average"), py::arg("parameters"), py::arg("rate"));
}

}  // namespace wpg::bindings
