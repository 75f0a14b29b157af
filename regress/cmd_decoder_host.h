/* The process that runs a user's shared object (include/tapedeck/decoder.h): to the process that
 * asks it is a decoder like any other (docs/decoders.md), with binary frames and answers. */
#ifndef TD_REGRESS_CMD_DECODER_HOST_H
#define TD_REGRESS_CMD_DECODER_HOST_H

/* The word that makes tapedeck-replay such a process; then the shared object's path and the text of
 * a mapping file, which may be empty. */
#define DECODER_HOST_VERB "_decoder"

/* Serve standard input until its end: argv as main has it. The exit status. */
int cmd_decoder_host(int argc, char **argv);

#endif
