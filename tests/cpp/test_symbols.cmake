# cmake -D NM=nm -D ISA=avx2 -D OBJECTS=a.o,b.o -P test_symbols.cmake
# Fails if an object holds a weak or unique symbol outside wpg::ISA and Eigen_ISA.

string(REPLACE "," ";" objects "${OBJECTS}")
if(NOT objects)
  message(FATAL_ERROR "no objects to look at")
endif()
set(strangers "")
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} -C ${object} OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${NM} ${object}: ${status}")
  endif()
  # Semicolons and brackets would be read as list syntax.
  string(REGEX REPLACE "[][;]" "_" symbols "${symbols}")
  string(REPLACE "\n" ";" symbols "${symbols}")
  foreach(symbol IN LISTS symbols)
    # Defined weak symbols have an address; V, W, u are weak objects, weak functions, unique objects.
    if(NOT symbol MATCHES "^[0-9a-f]+ [WVu] (.*)$")
      continue()
    endif()
    set(name "${CMAKE_MATCH_1}")
    # DW.ref.* is a pointer that exception tables use; it holds no code.
    if(name MATCHES "^DW\\.ref\\.")
      continue()
    endif()
    # Its own namespace: as the first qualified name after the type it returns, or in an argument.
    if(NOT name MATCHES "wpg::${ISA}::" AND NOT name MATCHES "Eigen_${ISA}::")
      list(APPEND strangers "${object}: ${name}")
    endif()
  endforeach()
endforeach()
if(strangers)
  list(JOIN strangers "\n  " text)
  message(FATAL_ERROR "symbols that the linker may merge between instruction sets:\n  ${text}")
endif()
