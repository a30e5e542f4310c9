@rem "npm start" begins with exec, so that on sh npm's signals reach the server itself and not only the shell before it.
@rem cmd.exe has no such word and finds this file.
@%*
