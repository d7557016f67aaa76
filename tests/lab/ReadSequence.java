import java.util.Base64;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.BytesWritable;
import org.apache.hadoop.io.LongWritable;
import org.apache.hadoop.io.SequenceFile;
import org.apache.hadoop.io.Writable;

/**
 * Prints the records of SequenceFiles as Hadoop's own reader sees them, one line each: KEY, a tab, VALUE. A LongWritable
 * is printed in decimal, a BytesWritable in base64. The first line of each file is
 * {@code # KEYCLASS VALUECLASS CODEC}, with {@code none}, {@code record:CLASS} or {@code block:CLASS} for the codec.
 *
 * <p>java -cp '.lab/hadoop/3.3.6/*' tests/lab/ReadSequence.java FILE...
 */
public class ReadSequence {
    public static void main(String[] files) throws Exception {
        Configuration configuration = new Configuration();
        StringBuilder out = new StringBuilder();
        for (String file : files) {
            try (SequenceFile.Reader reader =
                    new SequenceFile.Reader(configuration, SequenceFile.Reader.file(new Path("file://" + new java.io.File(file).getAbsolutePath())))) {
                String codec = "none";
                if (reader.isCompressed()) {
                    codec = (reader.isBlockCompressed() ? "block:" : "record:") + reader.getCompressionCodec().getClass().getName();
                }
                out.append("# ").append(reader.getKeyClassName()).append(' ').append(reader.getValueClassName());
                out.append(' ').append(codec).append('\n');
                Writable key = (Writable) reader.getKeyClass().getDeclaredConstructor().newInstance();
                Writable value = (Writable) reader.getValueClass().getDeclaredConstructor().newInstance();
                while (reader.next(key, value)) {
                    out.append(text(key)).append('\t').append(text(value)).append('\n');
                    flush(out, 1 << 16);
                }
            }
        }
        flush(out, 0);
        System.out.flush();
    }

    private static void flush(StringBuilder out, int above) {
        if (out.length() > above) {
            System.out.print(out);
            out.setLength(0);
        }
    }

    private static String text(Writable writable) {
        if (writable instanceof LongWritable) {
            return Long.toString(((LongWritable) writable).get());
        }
        if (writable instanceof BytesWritable) {
            return Base64.getEncoder().encodeToString(((BytesWritable) writable).copyBytes());
        }
        throw new IllegalArgumentException("a writable of class " + writable.getClass().getName());
    }
}
