import java.io.File;
import org.apache.hadoop.shaded.org.apache.avro.file.DataFileReader;
import org.apache.hadoop.shaded.org.apache.avro.generic.GenericDatumReader;

/**
 * Prints the rows of Avro container files as Apache's own library sees them, one line of JSON each; before those of a file
 * a line {@code #}.
 *
 * <p>java -cp '.lab/hadoop/3.3.6/*' tests/lab/ReadAvro.java FILE...
 */
public class ReadAvro {
    public static void main(String[] files) throws Exception {
        StringBuilder out = new StringBuilder();
        for (String file : files) {
            out.append("#\n");
            try (DataFileReader<Object> reader = new DataFileReader<>(new File(file), new GenericDatumReader<>())) {
                while (reader.hasNext()) {
                    out.append(reader.next()).append('\n');
                }
            }
            System.out.print(out);
            out.setLength(0);
        }
        System.out.flush();
    }
}
